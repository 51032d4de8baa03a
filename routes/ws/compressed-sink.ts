import type { Socket } from 'node:net';
import { constants, DeflateRaw } from 'minizlib';
import type { PerMessageDeflateOptions, WebSocket } from 'ws';
import type { Encoder, Frame } from '../../services/delivery/frame.js';
import { encodeCompressedFrame } from './encode-text-frame.js';
import { type DeviceSink, MAX_UNSENT_BYTES, queuedBelow, type SinkOwner } from './socket-sink.js';

const WINDOW_BITS = 13;
/**
 * Frames of text are small and much alike, so each is compressed against the frames before it. A window of 8 KiB is
 * enough; a larger one saves little more. A compressor was measured at 115 KiB: Node's zlib keeps a hash table of 64 KiB
 * on processors with CRC instructions, whatever `memLevel` is (Chromium's `deflateInit2_`).
 */
const DEFLATE = { level: 6, memLevel: 4, windowBits: WINDOW_BITS, chunkSize: 4096 };

/** What is agreed with a client. An offer that rules out the window is answered without compression. */
export const PER_MESSAGE_DEFLATE: PerMessageDeflateOptions = {
  serverMaxWindowBits: WINDOW_BITS,
  serverNoContextTakeover: false,
  clientNoContextTakeover: true,
  zlibInflateOptions: { chunkSize: 4096 },
};

export const isCompressed = ({ extensions }: Pick<WebSocket, 'extensions'>): boolean =>
  extensions.includes('permessage-deflate');

/** What is compressed in one turn of the event loop. */
const SLICE_BYTES = 32 * 1024;
/** A compressed message ends without these bytes of the flush (RFC 7692, section 7.2.1). */
const FLUSH_TAIL_BYTES = 4;
/** Streams that paused are resumed when this much has left. */
const LARGE_BYTES = 64 * 1024;

const encodeText: Encoder = (text) => Buffer.from(text);

/**
 * Sends frames compressed, each for this connection alone. `ws` compresses in the thread pool, which adds milliseconds
 * to each frame and takes a few thousand frames a second; a small frame takes 20 µs here. The compressor is one of
 * minizlib, which runs zlib synchronously. Control frames of `ws` go into the same socket, in whole.
 */
export class CompressedSink implements DeviceSink {
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #owner: SinkOwner;
  readonly #deflate = new DeflateRaw(DEFLATE);
  /** Frames, and what comes between them, in order. */
  #queue: (Uint8Array | (() => void))[] = [];
  #queuedBytes = 0;
  /** Bytes of the first frame that are compressed. */
  #at = 0;
  #compressed: Buffer[] = [];
  #isPumping = false;
  #written = 0;
  /** Size of the largest frame among those that are unsent, and the most that was unsent since nothing was. */
  #largest = 0;
  #most = 0;

  constructor({ webSocket, socket, owner }: { webSocket: WebSocket; socket: Socket; owner: SinkOwner }) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#owner = owner;
    this.#deflate.on('data', (bytes: Buffer) => this.#compressed.push(bytes));
    webSocket.once('close', () => this.#deflate.close());
    socket.on('drain', () => owner.onDrained());
  }

  get unsent(): number {
    return this.#queuedBytes + this.#socket.writableLength;
  }

  get lagging(): boolean {
    return this.#socket.writableLength > 0;
  }

  get progress(): string {
    return `${this.#written - this.#socket.writableLength}/${String(queuedBelow(this.#socket))}`;
  }

  send(frame: Frame): void {
    if (!this.#isOpen) return;
    const bytes = frame.encoded(encodeText);
    if (this.unsent === 0) this.#largest = 0;
    this.#largest = Math.max(this.#largest, bytes.length);
    // The largest frame does not count, so that no connection is closed because of a single frame.
    if (this.unsent + bytes.length - this.#largest > MAX_UNSENT_BYTES) {
      this.#owner.onTooSlow();
      return;
    }
    this.#queuedBytes += bytes.length;
    this.#most = Math.max(this.#most, this.unsent);
    this.#add(bytes);
  }

  /** The pong to this ping arrives when all frames before it have arrived. */
  confirm(id: number): void {
    this.#add(() => {
      if (this.#isOpen) this.#webSocket.ping(id === 0 ? undefined : String(id));
    });
  }

  close(code: number, reason: string): void {
    this.#add(() => this.#webSocket.close(code, reason));
  }

  get #isOpen(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN;
  }

  #add(item: Uint8Array | (() => void)): void {
    this.#queue.push(item);
    if (!this.#isPumping) this.#pump();
  }

  #pump(): void {
    this.#isPumping = true;
    for (let room = SLICE_BYTES; room > 0; ) {
      const [item] = this.#queue;
      if (item === undefined) {
        this.#onEmpty();
        return;
      }
      room -= typeof item === 'function' ? this.#call(item) : this.#compress(item, room);
    }
    setImmediate(() => this.#pump());
  }

  #call(item: () => void): number {
    this.#queue.shift();
    item();
    return 0;
  }

  /** Compresses at most `room` bytes of the first frame, and writes it when that was all. Returns how many it took. */
  #compress(bytes: Uint8Array, room: number): number {
    const piece = bytes.subarray(this.#at, this.#at + room);
    this.#at += piece.length;
    const isWhole = this.#at === bytes.length;
    if (this.#isOpen) {
      this.#deflate.write(Buffer.from(piece.buffer, piece.byteOffset, piece.length));
      if (isWhole) this.#write();
    }
    if (isWhole) {
      this.#queue.shift();
      this.#queuedBytes -= bytes.length;
      this.#at = 0;
    }
    return piece.length;
  }

  #write(): void {
    this.#deflate.flush(constants.Z_SYNC_FLUSH);
    const payload = Buffer.concat(this.#compressed);
    this.#compressed = [];
    const frame = encodeCompressedFrame(payload.subarray(0, -FLUSH_TAIL_BYTES));
    this.#written += frame.length;
    this.#socket.write(frame);
  }

  #onEmpty(): void {
    this.#isPumping = false;
    if (this.#most <= LARGE_BYTES || this.#socket.writableLength > 0) return;
    this.#most = 0;
    setImmediate(() => this.#owner.onDrained());
  }
}
