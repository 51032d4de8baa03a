import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Frame, FrameSink } from '../../services/delivery/frames.js';
import { encodeTextFrame } from './encode-text-frame.js';
import { type Collector, joinParts, type TickWriter } from './tick-writer.js';

/** Receives the state changes of a sink. */
export interface SinkOwner {
  /** All pending data has been sent, after there was much of it. */
  onDrained(): void;
  /** The client leaves so much data unread that the connection is not worth its memory. */
  onTooSlow(): void;
}

/** The sink of one connection. */
export interface DeviceSink extends FrameSink {
  /** A value that changes as long as the client reads its data. */
  readonly progress: string;
  /** How many it was given to send. */
  readonly frames: number;
  /** Sends all pending data, then the close frame. */
  close(code: number, reason: string): void;
}

export interface SocketSinkOptions {
  webSocket: WebSocket;
  /** The stream below the WebSocket. */
  socket: Socket;
  writer: TickWriter;
  owner: SinkOwner;
}

/** A write that the system accepts at once causes no `drain`; above this size it counts as one. */
const LARGE_WRITE_BYTES = 64 * 1024;

/** A ping without a payload, see RFC 6455, section 5.5.2: built once for thousands of idle connections. */
const BARE_PING = Buffer.from([0x89, 0]);

/**
 * Sends frames; those of one tick are sent in one write of the socket. They are written below `ws`, whose own frames
 * (ping, pong, close) enter the same socket whole: there is no compression, and no fragment that could be interrupted.
 */
export class SocketSink implements DeviceSink, Collector {
  readonly #options: SocketSinkOptions;
  #collected: Uint8Array[] = [];
  readonly #data: UnsentData;

  constructor(options: SocketSinkOptions) {
    this.#options = options;
    this.#data = new UnsentData(options.socket);
    options.socket.on('drain', () => options.owner.onDrained());
  }

  get unsent(): number {
    return this.#data.bytes;
  }

  get lagging(): boolean {
    return this.#data.lagging;
  }

  get progress(): string {
    return this.#data.progress;
  }

  get frames(): number {
    return this.#data.frames;
  }

  send(frame: Frame): void {
    const { webSocket, writer, owner } = this.#options;
    if (webSocket.readyState !== webSocket.OPEN) return;
    const bytes = frame.encoded(encodeTextFrame);
    if (!this.#data.add(bytes)) {
      owner.onTooSlow();
      return;
    }
    this.#collected.push(bytes);
    if (this.#collected.length === 1) writer.schedule(this);
  }

  /** The pong to this ping arrives when all earlier data was received. */
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
    const bytes = join(this.#collected);
    this.#collected = [];
    this.#data.passed(bytes.length, bytes.length);
    if (webSocket.readyState !== webSocket.OPEN) return;
    socket.write(bytes);
    if (bytes.length > LARGE_WRITE_BYTES && socket.writableLength === 0) setImmediate(() => owner.onDrained());
  }

  close(code: number, reason: string): void {
    this.flush();
    this.#options.webSocket.close(code, reason);
  }
}

const MAX_UNSENT_BYTES = 1024 * 1024;

/** What one connection has not sent yet, and whether it makes progress. */
export class UnsentData {
  readonly #socket: Socket;
  /** How many were added. */
  frames = 0;
  /** Bytes given to the sink that are not in the socket. */
  #waiting = 0;
  /** Bytes that the socket was given. */
  #written = 0;
  /** Size of the largest frame since nothing was unsent. */
  #largest = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Bytes that have not left this process. */
  get bytes(): number {
    return this.#waiting + this.#socket.writableLength;
  }

  /** Bytes of an earlier tick are still buffered. */
  get lagging(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** A value that changes as long as the client reads its data. */
  get progress(): string {
    return `${this.#written - this.#socket.writableLength}/${String(queuedBelow(this.#socket))}`;
  }

  /** Adds a frame; false when it is too much. The largest frame does not count: no client is closed because of one. */
  add({ length }: Uint8Array): boolean {
    if (this.bytes === 0) this.#largest = 0;
    this.#largest = Math.max(this.#largest, length);
    if (this.bytes + length - this.#largest > MAX_UNSENT_BYTES) return false;
    this.#waiting += length;
    this.frames += 1;
    return true;
  }

  /** So many bytes of frames no longer wait: the socket gets this many for them, fewer when they are compressed. */
  passed(bytes: number, written: number): void {
    this.#waiting -= bytes;
    this.#written += written;
  }
}

/** The unwritten bytes in libuv, which `Socket` does not expose: they decrease while one large write progresses. */
export function queuedBelow(socket: Socket): unknown {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  return typeof handle === 'object' && handle !== null && 'writeQueueSize' in handle ? handle.writeQueueSize : 0;
}
