import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionId } from '../../../protocol/scalars.js';
import type { BlobStore } from '../../ports/blobs.js';
import type { Log } from '../../ports/log.js';
import type { DamageGuard } from '../damage/damage-guard.js';
import type { Extent, Extents } from '../sqlite/extents.js';
import { openMeta } from '../sqlite/row-sums.js';
import type { SqliteDatabase } from '../sqlite/sqlite-database.js';
import { SteadyClock } from './steady-clock.js';
import { createTrim, type Expiry, isOverfull, type RetentionLimits, type Trim } from './trim.js';

export interface RetentionOptions {
  database: SqliteDatabase;
  extents: Extents;
  blobs: Pick<BlobStore, 'remove'>;
  guard: DamageGuard;
  limits: RetentionLimits;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
  onExpired: (expiry: Expiry, events: number) => void;
  log: Log;
}

export interface Retention {
  /** Must be called when a session has grown. */
  onGrown(sessionId: SessionId, extent: Extent): void;
  close(): Promise<void>;
}

/** All session ids in the event index, found by skipping from one to the next; includes forgotten sessions. */
const ALL_SESSIONS = `WITH RECURSIVE ids (id) AS (
  SELECT MIN(session_id) FROM events
  UNION ALL SELECT (SELECT MIN(session_id) FROM events WHERE session_id > id) FROM ids WHERE id IS NOT NULL
) SELECT id FROM ids WHERE id IS NOT NULL UNION SELECT session_id FROM sessions`;

/** Keeps the journal within its limits while it is open. */
export function createRetention(options: RetentionOptions): Retention {
  const { database, blobs, guard, limits, now, onExpired, log } = options;
  const sessionIds = database.prepare<[], SessionId>(ALL_SESSIONS).pluck();
  const meta = openMeta(database);
  const last = meta.get('retention_clock');
  const clock = new SteadyClock({
    wall: now,
    monotonic: () => performance.now(),
    ...(last !== undefined && { last: Number(last) }),
  });
  const trim = createTrim(options);
  const runner = new RetentionRunner({
    trim: (sessionId, at) => {
      const trimmed = guard.write(() => trim(sessionId, at));
      void blobs.remove(trimmed.blobs);
      return trimmed;
    },
    sessionIds: () =>
      guard.write(() => {
        meta.set('retention_clock', String(Math.round(clock.now())));
        return sessionIds.all();
      }),
    now: () => clock.now(),
    onExpired,
    log,
  });
  return {
    onGrown: (sessionId, extent) => {
      if (isOverfull(extent, limits)) runner.schedule(sessionId);
    },
    close: () => runner.close(),
  };
}

interface RetentionRunnerOptions {
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
class RetentionRunner {
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
