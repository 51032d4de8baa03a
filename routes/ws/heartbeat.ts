import { HEARTBEAT_MS, PONG_TIMEOUT_MS } from '../../protocol/limits.js';

export interface HeartbeatOptions {
  ping: () => void;
  onDead: () => void;
}

/** A timer that fires this much later than it should says that this process was busy, not that the client is gone. */
const LATE_MS = 1000;

/** Pings a connection, and says when it does not answer. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#timer = this.#pingLater();
  }

  /** The client has answered. */
  ponged(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#pingLater();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #pingLater(): NodeJS.Timeout {
    return setTimeout(() => this.#ping(), HEARTBEAT_MS);
  }

  #ping(): void {
    this.#options.ping();
    const due = performance.now() + PONG_TIMEOUT_MS;
    this.#timer = setTimeout(() => {
      if (performance.now() - due > LATE_MS) this.#ping();
      else this.#options.onDead();
    }, PONG_TIMEOUT_MS);
  }
}
