import type { SessionId } from '../../protocol/scalars.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** What is kept of one session's events. */
export interface Extent {
  /** The smallest seq from which on nothing is missing. */
  first: number;
  head: number;
  /** Bytes of data of the events before `first`, removed ones. */
  removed: number;
  /** Bytes of data of all events there ever were. */
  total: number;
  /** Bytes of the blobs that its events name. */
  blobs: number;
}

interface ExtentRow {
  first: number;
  head: number;
  removed: number | null;
  total: number | null;
  blobs: number;
}

/** Of one session. */
export const BYTES_OF_BLOBS = `SELECT COALESCE(SUM(blob ->> 'bytes'), 0)
  FROM events b INDEXED BY events_with_blob WHERE b.session_id = ? AND blob IS NOT NULL`;

const NOTHING: Extent = { first: 1, head: 0, removed: 0, total: 0, blobs: 0 };

/**
 * How much is kept of each session. Each event holds the bytes of those before it, so that the size of any stretch is
 * known from its two ends.
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

  /** Whether the session is in the journal. */
  has(sessionId: SessionId): boolean {
    return this.of(sessionId) !== NOTHING;
  }

  /** What has been committed. */
  set(sessionId: SessionId, extent: Extent): void {
    this.#known.set(sessionId, extent);
  }

  forget(sessionId: SessionId): void {
    this.#known.delete(sessionId);
  }
}
