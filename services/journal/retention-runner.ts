import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionId } from '../../protocol/scalars.js';
import type { Log } from '../ports/log.js';
import type { Expiry, Trim } from './retention.js';

export interface RetentionRunnerOptions {
  trim: Trim;
  /** The sessions in the journal. Throws when the journal cannot be used. */
  sessionIds: () => SessionId[];
  /** Epoch milliseconds; never wrongly ahead. */
  now: () => number;
  onExpired: (expiry: Expiry, events: number) => void;
  log: Log;
}

/** Delay that groups sessions that grew. */
const DELAY_MS = 200;
/** Interval at which all sessions are checked for expired data. */
const ROUND_MS = 3_600_000;
/** Delay of the first check: after startup and the reconnection of all clients. */
const FIRST_ROUND_MS = 10_000;

/** Removes expired data in small batches, and yields to other work between them. */
export class RetentionRunner {
  readonly #options: RetentionRunnerOptions;
  readonly #due = new Set<SessionId>();
  readonly #timers: NodeJS.Timeout[];
  #delay: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: RetentionRunnerOptions) {
    this.#options = options;
    const round = () => this.#beginRound();
    this.#timers = [setTimeout(round, FIRST_ROUND_MS).unref(), setInterval(round, ROUND_MS).unref()];
  }

  /** Schedules a session that exceeds its limits. */
  schedule(sessionId: SessionId): void {
    this.#due.add(sessionId);
    this.#delay ??= setTimeout(() => this.#run(), DELAY_MS).unref();
  }

  /** Resolves when the current batch is removed. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    clearTimeout(this.#delay);
    await this.#running;
  }

  /** On a full disk nothing can be removed either: the next round retries. */
  #beginRound(): void {
    try {
      for (const sessionId of this.#options.sessionIds()) this.#due.add(sessionId);
    } catch (error) {
      this.#options.log.warn('old events cannot be looked for', { error: (error as Error).message });
    }
    this.#run();
  }

  #run(): void {
    this.#delay = undefined;
    this.#running ??= this.#trimAll().finally(() => {
      this.#running = undefined;
      // A session can be scheduled between the last check and this callback.
      if (this.#due.size > 0 && !this.#closed) this.#run();
    });
  }

  async #trimAll(): Promise<void> {
    for (const sessionId of this.#due) {
      this.#due.delete(sessionId);
      try {
        await this.#trimSession(sessionId);
      } catch (error) {
        this.#options.log.warn('old events could not be removed', { sessionId, error: (error as Error).message });
      }
    }
  }

  async #trimSession(sessionId: SessionId): Promise<void> {
    const { trim, now, onExpired } = this.#options;
    while (!this.#closed) {
      const { expired, more } = trim(sessionId, now());
      for (const [expiry, events] of expired) onExpired(expiry, events);
      if (!more) return;
      await turnOfOthers();
    }
  }
}
