import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Frame } from '../../services/delivery/frame.js';
import type { FrameSink } from '../../services/delivery/frame-sink.js';
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

export const MAX_UNSENT_BYTES = 1024 * 1024;
/** A write that the system accepts at once causes no `drain`; above this size it counts as one. */
const LARGE_WRITE_BYTES = 64 * 1024;

/** A ping without a payload, see RFC 6455, section 5.5.2: built once for thousands of idle connections. */
const BARE_PING = Buffer.from([0x89, 0]);

/** The unwritten bytes in libuv, which `Socket` does not expose: they decrease while one large write progresses. */
export function queuedBelow(socket: Socket): unknown {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  return typeof handle === 'object' && handle !== null && 'writeQueueSize' in handle ? handle.writeQueueSize : 0;
}

/**
 * Sends frames; those of one tick are sent in one write of the socket. They are written below `ws`, whose own frames
 * (ping, pong, close) enter the same socket whole: there is no compression, and no fragment that could be interrupted.
 */
export class SocketSink implements DeviceSink, Collector {
  readonly #options: SocketSinkOptions;
  #collected: Uint8Array[] = [];
  #collectedBytes = 0;
  /** Size of the largest unsent frame. */
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
    // The largest pending frame does not count: no client is disconnected because of a single frame's size.
    if (this.unsent + bytes.length - this.#largest > MAX_UNSENT_BYTES) {
      owner.onTooSlow();
      return;
    }
    this.#collected.push(bytes);
    this.#collectedBytes += bytes.length;
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
