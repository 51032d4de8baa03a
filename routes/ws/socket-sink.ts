import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Frame } from '../../services/delivery/frame.js';
import type { FrameSink } from '../../services/delivery/frame-sink.js';
import { encodeTextFrame } from './encode-text-frame.js';
import { type Collector, joinParts, type TickWriter } from './tick-writer.js';
import { UnsentData } from './unsent-data.js';

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
