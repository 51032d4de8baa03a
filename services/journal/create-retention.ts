import type { SessionId } from '../../protocol/scalars.js';
import type { BlobStore } from '../ports/blobs.js';
import type { Log } from '../ports/log.js';
import type { DamageGuard } from './damage-guard.js';
import type { Extent, Extents } from './extents.js';
import { openMeta } from './meta-rows.js';
import { createTrim, type Expiry, isOverfull, type RetentionLimits } from './retention.js';
import { RetentionRunner } from './retention-runner.js';
import type { SqliteDatabase } from './sqlite-database.js';
import { SteadyClock } from './steady-clock.js';

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
