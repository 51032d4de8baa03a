import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { FrameSink } from '../../services/delivery/frame-sink.js';

export interface SocketSinkOptions {
  webSocket: WebSocket;
  socket: Socket;
  /** The reader has left so much unread that the connection is not worth its memory. */
  onTooSlow: () => void;
}

const MAX_UNSENT_BYTES = 1024 * 1024;

/** Sends frames; those of one tick leave in one write of the socket. */
export class SocketSink implements FrameSink {
  readonly #options: SocketSinkOptions;
  #corked = false;

  constructor(options: SocketSinkOptions) {
    this.#options = options;
  }

  get unsent(): number {
    return this.#options.webSocket.bufferedAmount;
  }

  send(frame: string): void {
    const { webSocket, onTooSlow } = this.#options;
    if (webSocket.readyState !== webSocket.OPEN) return;
    if (this.unsent > MAX_UNSENT_BYTES) {
      onTooSlow();
      return;
    }
    this.#cork();
    webSocket.send(frame);
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    const { socket } = this.#options;
    socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      socket.uncork();
    });
  }
}
