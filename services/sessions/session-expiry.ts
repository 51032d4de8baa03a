import type { Log } from '../ports/log.js';
import type { Session } from './session.js';

export interface SessionExpiryOptions {
  sessions: () => readonly Session[];
  /** How long a session can stay unused, in milliseconds. */
  ttlMs: number;
  /** Epoch milliseconds; never wrongly ahead. */
  now: () => number;
  log: Log;
}

const LOOKS_PER_TTL = 10;
const MAX_PERIOD_MS = 3_600_000;

/** Closes sessions that were unused for long: checks at once and then periodically, until it is closed itself. */
export class SessionExpiry {
  readonly #options: SessionExpiryOptions;
  readonly #timer: NodeJS.Timeout;
  #closed = false;
  #looking = false;

  constructor(options: SessionExpiryOptions) {
    this.#options = options;
    const periodMs = Math.min(Math.ceil(options.ttlMs / LOOKS_PER_TTL), MAX_PERIOD_MS);
    this.#timer = setInterval(() => void this.#look(), periodMs).unref();
    void this.#look();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const { sessions, ttlMs, now } = this.#options;
    const before = now() - ttlMs;
    for (const session of sessions()) {
      if (!this.#closed) await this.#closeUnused(session, before);
    }
    this.#looking = false;
  }

  /** A session that cannot be closed now is checked again the next time. */
  async #closeUnused(session: Session, before: number): Promise<void> {
    const { log } = this.#options;
    try {
      if (await session.closeUnused(before)) log.info('an unused session was closed', { sessionId: session.id });
    } catch (error) {
      log.warn('an unused session cannot be closed', { sessionId: session.id, error: (error as Error).message });
    }
  }
}
