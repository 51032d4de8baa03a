import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionId } from '../../protocol/scalars.js';
import type { Log } from '../ports/log.js';
import type { Expiry, Trim } from './retention.js';

export interface RetentionRunnerOptions {
  trim: Trim;
  /** Those that are in the journal. Throws where it cannot be used. */
  sessionIds: () => SessionId[];
  /** Epoch milliseconds; never ahead by mistake. */
  now: () => number;
  onExpired: (expiry: Expiry, events: number) => void;
  log: Log;
}

/** Sessions that grew are looked at together. */
const DELAY_MS = 200;
/** How often all are looked at, for what has grown old. */
const ROUND_MS = 3_600_000;
/** The first time: when the start, with all its clients that come back, is over. */
const FIRST_ROUND_MS = 10_000;

/** Removes what need not be kept, in small batches between which everything else has its turn. */
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

  /** This session has more than it may keep. */
  schedule(sessionId: SessionId): void {
    this.#due.add(sessionId);
    this.#delay ??= setTimeout(() => this.#run(), DELAY_MS).unref();
  }

  /** Resolves when the batch that is being removed is. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    clearTimeout(this.#delay);
    await this.#running;
  }

  /** On a full disk nothing can be removed either: the next round tries again. */
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
      // What came when all had been looked at, and this was not told yet.
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
