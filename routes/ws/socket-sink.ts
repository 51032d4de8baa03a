import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Frame } from '../../services/delivery/frame.js';
import type { FrameSink } from '../../services/delivery/frame-sink.js';
import { encodeTextFrame } from './encode-text-frame.js';
import { type Collector, joinParts, type TickWriter } from './tick-writer.js';

/** Who is told how the sink fares. */
export interface SinkOwner {
  /** All that was given has left, after there was much of it. */
  onDrained(): void;
  /** The reader has left so much unread that the connection is not worth its memory. */
  onTooSlow(): void;
}

/** The sink of one connection. */
export interface DeviceSink extends FrameSink {
  /** A value that changes as long as the other side takes what it is sent. */
  readonly progress: string;
  /** Sends what is to be sent, then the close frame. */
  close(code: number, reason: string): void;
}

export interface SocketSinkOptions {
  webSocket: WebSocket;
  /** The stream below the WebSocket. */
  socket: Socket;
  writer: TickWriter;
  owner: SinkOwner;
}

const MAX_UNSENT_BYTES = 1024 * 1024;
/** What leaves in one write that the system takes at once gives no `drain`; above this it counts as one. */
const LARGE_WRITE_BYTES = 64 * 1024;

/** A ping without a payload, see RFC 6455, section 5.5.2: what thousands of idle connections get, made once. */
const BARE_PING = Buffer.from([0x89, 0]);

/** What libuv still has to write, which `Socket` does not show: it falls while one large write makes its way. */
function queuedBelow(socket: Socket): unknown {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  return typeof handle === 'object' && handle !== null && 'writeQueueSize' in handle ? handle.writeQueueSize : 0;
}

/**
 * Sends frames; those of one tick leave in one write of the socket. They are written below `ws`, whose own frames
 * (ping, pong, close) go into the same socket in whole: there is no compression and no fragment that could be cut.
 */
export class SocketSink implements DeviceSink, Collector {
  readonly #options: SocketSinkOptions;
  #collected: Uint8Array[] = [];
  #collectedBytes = 0;
  /** Size of the largest frame among those that are unsent. */
  #largest = 0;
  #written = 0;

  constructor(options: SocketSinkOptions) {
    this.#options = options;
    options.socket.on('drain', () => options.owner.onDrained());
  }

  get unsent(): number {
    return this.#options.socket.writableLength + this.#collectedBytes;
  }

  get lagging(): boolean {
    return this.#options.socket.writableLength > 0;
  }

  get progress(): string {
    const { socket } = this.#options;
    return `${this.#written - socket.writableLength}/${String(queuedBelow(socket))}`;
  }

  send(frame: Frame): void {
    const { webSocket, writer, owner } = this.#options;
    if (webSocket.readyState !== webSocket.OPEN) return;
    const bytes = frame.encoded(encodeTextFrame);
    if (this.unsent === 0) this.#largest = 0;
    this.#largest = Math.max(this.#largest, bytes.length);
    // The largest frame on its way does not count: nobody is cut off for what one frame weighs.
    if (this.unsent + bytes.length - this.#largest > MAX_UNSENT_BYTES) {
      owner.onTooSlow();
      return;
    }
    this.#collected.push(bytes);
    this.#collectedBytes += bytes.length;
    if (this.#collected.length === 1) writer.schedule(this);
  }

  /** The pong to this ping comes when all before it was received. */
  confirm(id: number): void {
    const { webSocket, socket } = this.#options;
    this.flush();
    if (webSocket.readyState !== webSocket.OPEN) return;
    if (id === 0) socket.write(BARE_PING);
    else webSocket.ping(String(id));
  }

  flush(join: (parts: Uint8Array[]) => Uint8Array = joinParts): void {
    if (this.#collected.length === 0) return;
    const { webSocket, socket, owner } = this.#options;
    const parts = this.#collected;
    const bytes = this.#collectedBytes;
    this.#collected = [];
    this.#collectedBytes = 0;
    if (webSocket.readyState !== webSocket.OPEN) return;
    this.#written += bytes;
    socket.write(join(parts));
    if (bytes > LARGE_WRITE_BYTES && socket.writableLength === 0) setImmediate(() => owner.onDrained());
  }

  close(code: number, reason: string): void {
    this.flush();
    this.#options.webSocket.close(code, reason);
  }
}
