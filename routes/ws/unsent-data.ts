import type { Socket } from 'node:net';

const MAX_UNSENT_BYTES = 1024 * 1024;

/** What one connection has not sent yet, and whether it makes progress. */
export class UnsentData {
  readonly #socket: Socket;
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
    return true;
  }

  /** So many bytes of frames no longer wait: the socket gets this many for them, fewer when they are compressed. */
  passed(bytes: number, written: number): void {
    this.#waiting -= bytes;
    this.#written += written;
  }
}

/** The unwritten bytes in libuv, which `Socket` does not expose: they decrease while one large write progresses. */
function queuedBelow(socket: Socket): unknown {
  const handle: unknown = '_handle' in socket ? socket._handle : undefined;
  return typeof handle === 'object' && handle !== null && 'writeQueueSize' in handle ? handle.writeQueueSize : 0;
}
