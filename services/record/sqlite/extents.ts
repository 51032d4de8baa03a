import type { SessionId } from '../../../protocol/scalars.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** The stored part of one session's events. */
export interface Extent {
  /** The smallest seq from which no event is missing. */
  first: number;
  head: number;
  /** Bytes of data of the removed events, those before `first`. */
  removed: number;
  /** Bytes of data of all events ever written. */
  total: number;
  /** Bytes of the blobs named by its events. */
  blobs: number;
}

interface ExtentRow {
  first: number;
  head: number;
  removed: number | null;
  total: number | null;
  blobs: number;
}

/** For one session. */
export const BYTES_OF_BLOBS = `SELECT COALESCE(SUM(blob ->> 'bytes'), 0)
  FROM events b INDEXED BY events_with_blob WHERE b.session_id = ? AND blob IS NOT NULL`;

const NOTHING: Extent = { first: 1, head: 0, removed: 0, total: 0, blobs: 0 };

/**
 * The stored extent of each session. Each event stores the bytes of all events before it, so that the size of any range
 * follows from its two ends.
 */
export class Extents {
  readonly #read: (sessionId: SessionId) => ExtentRow | undefined;
  readonly #known = new Map<SessionId, Extent>();

  constructor(database: SqliteDatabase) {
    const read = database.prepare<[string], ExtentRow>(
      `SELECT COALESCE(first, 1) AS first, head,
         (SELECT bytes_before FROM events e WHERE e.session_id = s.session_id AND seq = COALESCE(first, 1)) AS removed,
         (SELECT COALESCE(bytes_before, 0) + OCTET_LENGTH(data) FROM events e WHERE e.session_id = s.session_id AND seq = head) AS total,
         (${BYTES_OF_BLOBS.replace('?', 's.session_id')}) AS blobs
       FROM sessions s WHERE session_id = ?`,
    );
    this.#read = (sessionId) => read.get(sessionId);
  }

  of(sessionId: SessionId): Extent {
    const known = this.#known.get(sessionId);
    if (known) return known;
    const row = this.#read(sessionId);
    if (!row) return NOTHING;
    const total = row.total ?? 0;
    const extent = { first: row.first, head: row.head, removed: row.removed ?? 0, total, blobs: row.blobs };
    this.#known.set(sessionId, extent);
    return extent;
  }

  /** Whether the journal contains the session. */
  has(sessionId: SessionId): boolean {
    return this.of(sessionId) !== NOTHING;
  }

  /** Records a committed extent. */
  set(sessionId: SessionId, extent: Extent): void {
    this.#known.set(sessionId, extent);
  }

  forget(sessionId: SessionId): void {
    this.#known.delete(sessionId);
  }
}
