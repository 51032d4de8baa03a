import type { Socket } from 'node:net';
import type { PerMessageDeflateOptions, WebSocket } from 'ws';
import type { Encoder, Frame } from '../../services/delivery/frame.js';
import type { DeviceSink, SinkOwner } from './socket-sink.js';

/**
 * For permessage-deflate (RFC 7692). Text frames are small and similar: they compress well only against earlier ones,
 * so the window is kept. A window of 8 KiB takes 40 KiB with zlib (`deflateInit2`:
 * `(1 << (windowBits + 2)) + (1 << (memLevel + 9))`); a larger one saves little more. Data from a client is inflated
 * without a persistent window.
 */
export const DEFLATE: PerMessageDeflateOptions = {
  serverMaxWindowBits: 13,
  clientNoContextTakeover: true,
  zlibDeflateOptions: { memLevel: 4, level: 9, chunkSize: 4096 },
  zlibInflateOptions: { chunkSize: 4096 },
};

export const isCompressed = ({ extensions }: Pick<WebSocket, 'extensions'>): boolean =>
  extensions.includes('permessage-deflate');

const encodeText: Encoder = (text) => Buffer.from(text);

const MAX_UNSENT_BYTES = 1024 * 1024;
/** Paused readers are notified once this much has been sent. */
const LARGE_BYTES = 64 * 1024;

/**
 * Sends frames by `ws`, which compresses each for this connection alone. Sizes count before compression: frames are in
 * memory until they have been compressed and sent.
 */
export class CompressedSink implements DeviceSink {
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #owner: SinkOwner;
  #unsent = 0;
  /** The maximum of unsent bytes since there were none. */
  #most = 0;
  /** Size of the largest unsent frame. */
  #largest = 0;

  constructor({ webSocket, socket, owner }: { webSocket: WebSocket; socket: Socket; owner: SinkOwner }) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#owner = owner;
  }

  get unsent(): number {
    return this.#unsent;
  }

  get lagging(): boolean {
    return this.#socket.writableLength > 0;
  }

  get progress(): string {
    return `${this.#socket.bytesWritten - this.#socket.writableLength}`;
  }

  send(frame: Frame): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    const bytes = frame.encoded(encodeText);
    this.#largest = Math.max(this.#largest, bytes.length);
    // The largest pending frame does not count: no client is disconnected because of a single frame's size.
    if (this.#unsent + bytes.length - this.#largest > MAX_UNSENT_BYTES) {
      this.#owner.onTooSlow();
      return;
    }
    this.#unsent += bytes.length;
    this.#most = Math.max(this.#most, this.#unsent);
    this.#webSocket.send(bytes, { binary: false, compress: true }, () => this.#sent(bytes.length));
  }

  #sent(bytes: number): void {
    this.#unsent -= bytes;
    if (this.#unsent > 0) return;
    const wasLarge = this.#most > LARGE_BYTES;
    this.#most = 0;
    this.#largest = 0;
    if (wasLarge) this.#owner.onDrained();
  }

  confirm(id: number): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    this.#webSocket.ping(id === 0 ? undefined : String(id));
  }

  close(code: number, reason: string): void {
    this.#webSocket.close(code, reason);
  }
}
