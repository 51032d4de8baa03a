import type { SessionId } from '../../../protocol/scalars.js';
import { blobIds } from '../files/blobs.js';
import { BYTES_OF_BLOBS, type Extent, type Extents } from '../sqlite/extents.js';
import { prepareMessageTrim } from '../sqlite/messages.js';
import { rowCheckOf, withSum } from '../sqlite/row-sums.js';
import type { EventRow, SessionRow } from '../sqlite/rows.js';
import type { SqliteDatabase } from '../sqlite/sqlite-database.js';

/** How much of a session's record is kept; the first limit reached applies. */
export interface RetentionLimits {
  days: number;
  /** Events of one session. */
  events: number;
  /** Bytes of data of one session's events; the same limit applies separately to their blobs. */
  bytes: number;
}

/** The limit that an event exceeds. */
export type Expiry = 'events' | 'bytes' | 'days';

interface OldEvent {
  seq: number;
  at: number;
  /** NULL when its size is unknown. */
  bytes_before: number | null;
}

/** Per write, so that other work does not wait long. */
const BATCH_EVENTS = 100;
const BATCH_BYTES = 1024 * 1024;
const DAY_MS = 86_400_000;

interface Judged {
  event: OldEvent;
  extent: Extent;
  limits: RetentionLimits;
  /** Epoch milliseconds. */
  now: number;
}

/** Why the oldest event of a session expires; undefined when it stays. The newest event always stays. */
function expiryOf({ event, extent, limits, now }: Judged): Expiry | undefined {
  if (event.seq >= extent.head) return undefined;
  if (extent.head - event.seq >= limits.events) return 'events';
  if (extent.total - (event.bytes_before ?? 0) > limits.bytes) return 'bytes';
  return event.at < now - limits.days * DAY_MS ? 'days' : undefined;
}

/** Whether a new event made the session exceed its limits. */
export const isOverfull = (extent: Extent, { events, bytes }: RetentionLimits): boolean =>
  extent.head - extent.first >= events || extent.total - extent.removed > bytes || extent.blobs > bytes;

export interface Trimmed {
  expired: Map<Expiry, number>;
  /** More remains to be removed. */
  more: boolean;
  /** Blobs that no row names any more. */
  blobs: string[];
}

/**
 * Removes one small batch of a session's expired data, oldest first. A permission request stays until it is answered, a
 * prompt until it has ended, and its request id for as many days as events.
 */
export type Trim = (sessionId: SessionId, now: number) => Trimmed;

export interface TrimOptions {
  database: SqliteDatabase;
  extents: Extents;
  limits: RetentionLimits;
}

export function createTrim({ database, extents, limits }: TrimOptions): Trim {
  const oldest = database.prepare<[string, number], OldEvent>(
    `SELECT seq, at, bytes_before FROM events WHERE session_id = ? AND seq >= ? ORDER BY seq LIMIT ${BATCH_EVENTS + 1}`,
  );
  const commit = database.transaction(prepareRemoval(database, limits));
  const removeOrphans = prepareOrphanRemoval(database);
  return (sessionId, now) => {
    if (!extents.has(sessionId)) return { expired: new Map(), ...removeOrphans(sessionId) };
    const extent = extents.of(sessionId);
    const old = oldest.all(sessionId, extent.first);
    const { end, expired } = judgeBatch(old.slice(0, BATCH_EVENTS), { extent, limits, now });
    const next = old[end];
    const kept = next ? { ...extent, first: next.seq, removed: next.bytes_before ?? 0 } : extent;
    const removed = commit({ sessionId, first: kept.first, before: now - limits.days * DAY_MS });
    extents.set(sessionId, { ...kept, blobs: removed.blobBytes });
    return { expired, more: end > 0 || removed.more, blobs: removed.blobs };
  };
}

/** How many of these events, from the first on, expire now. */
function judgeBatch(old: OldEvent[], basis: Omit<Judged, 'event'>): { end: number; expired: Map<Expiry, number> } {
  const expired = new Map<Expiry, number>();
  for (const [index, event] of old.entries()) {
    const expiry = expiryOf({ event, ...basis });
    if (!expiry || (event.bytes_before ?? 0) - basis.extent.removed > BATCH_BYTES) return { end: index, expired };
    expired.set(expiry, (expired.get(expiry) ?? 0) + 1);
  }
  return { end: old.length, expired };
}

/** Removes a batch of the events of a deleted session. More can remain. */
export function prepareOrphanRemoval(
  database: SqliteDatabase,
): (sessionId: SessionId) => Pick<Trimmed, 'more' | 'blobs'> {
  const remove = database
    .prepare<[object], string | null>(
      `DELETE FROM events WHERE session_id = @sessionId
       AND NOT EXISTS (SELECT 1 FROM sessions WHERE session_id = @sessionId) RETURNING blob LIMIT ${BATCH_EVENTS}`,
    )
    .pluck();
  const removeMessages = database.prepare(
    `DELETE FROM messages WHERE session_id = @sessionId
     AND NOT EXISTS (SELECT 1 FROM sessions WHERE session_id = @sessionId) LIMIT ${BATCH_EVENTS}`,
  );
  return (sessionId) => {
    const removed = remove.all({ sessionId });
    const messages = removeMessages.run({ sessionId }).changes;
    return { more: Math.max(removed.length, messages) === BATCH_EVENTS, blobs: blobIds(removed) };
  };
}

interface Removal {
  sessionId: SessionId;
  first: number;
  before: number;
}

interface Removed {
  /** More data other than events can remain. */
  more: boolean;
  blobs: string[];
  /** Bytes of the session's remaining blobs. */
  blobBytes: number;
}

function prepareRemoval(database: SqliteDatabase, limits: RetentionLimits): (removal: Removal) => Removed {
  const session = database.prepare<[string], SessionRow>(`SELECT * FROM sessions WHERE session_id = ?`);
  const floor = database.prepare(`UPDATE sessions SET first = @first, sum = @sum WHERE session_id = @session_id`);
  const check = rowCheckOf(database);
  const events = database
    .prepare<[object], string | null>(
      `DELETE FROM events WHERE session_id = @sessionId AND seq < @first AND NOT ${isAwaited('events')} RETURNING blob`,
    )
    .pluck();
  const trimMessages = prepareMessageTrim(database, check);
  const removeBlobs = prepareBlobRemoval(database, limits.bytes);
  const prompts = database.prepare(
    `DELETE FROM prompts WHERE session_id = @sessionId AND ended_at < @before LIMIT ${BATCH_EVENTS}`,
  );
  const permissions = database.prepare(
    `DELETE FROM permissions WHERE session_id = @sessionId AND decision IS NOT NULL AND answer IS NULL
       AND created_at < @before LIMIT ${BATCH_EVENTS}`,
  );
  const accesses = database.prepare('DELETE FROM file_accesses WHERE session_id = @sessionId AND at < @before');
  return (removal) => {
    const row = session.get(removal.sessionId);
    if (!row || removal.first > (check('sessions', row).first ?? 1)) {
      floor.run(withSum('sessions', { ...row, first: removal.first }));
    }
    const named = blobIds(events.all(removal));
    trimMessages(removal.sessionId, removal.first);
    const beyond = removeBlobs(removal.sessionId);
    accesses.run(removal);
    const others = prompts.run(removal).changes + permissions.run(removal).changes;
    return { ...beyond, blobs: [...named, ...beyond.blobs], more: beyond.more || others >= BATCH_EVENTS };
  };
}

/** Each blob costs reading and writing a row of up to 1 MiB. */
const BATCH = 4;

/** SQL: whether the event of this row asks for a permission that is still undecided. */
const isAwaited = (row: string): string => `EXISTS (
  SELECT 1 FROM events asking JOIN permissions p ON p.session_id = asking.session_id
    AND p.permission_id = asking.data ->> 'permissionId' AND p.decision IS NULL
  WHERE asking.session_id = ${row}.session_id AND asking.seq = ${row}.seq AND asking.type = 'permissionRequest')`;

interface RemovedBlobs {
  blobs: string[];
  more: boolean;
  /** Bytes of the remaining blobs. */
  blobBytes: number;
}

/**
 * Detaches a batch of a session's oldest blobs from their events while the session's blobs exceed this many bytes. The
 * events stay as stored in their rows. The newest blob and the blobs of pending requests always stay.
 */
function prepareBlobRemoval(database: SqliteDatabase, bytes: number): (sessionId: string) => RemovedBlobs {
  const sum = database.prepare<[string], number>(BYTES_OF_BLOBS).pluck();
  const beyond = database
    .prepare<[string, number], number>(
      `SELECT seq FROM (
         SELECT session_id, seq, SUM(blob ->> 'bytes') OVER newer AS bytes, FIRST_VALUE(seq) OVER newer AS newest
         FROM events INDEXED BY events_with_blob WHERE session_id = ? AND blob IS NOT NULL
         WINDOW newer AS (ORDER BY seq DESC)
       ) AS old WHERE bytes > ? AND seq < newest AND NOT ${isAwaited('old')} ORDER BY seq LIMIT ${BATCH}`,
    )
    .pluck();
  const read = database.prepare<[string, number], EventRow>('SELECT * FROM events WHERE session_id = ? AND seq = ?');
  const write = database.prepare(
    'UPDATE events SET blob = NULL, sum = @sum WHERE session_id = @session_id AND seq = @seq',
  );
  const check = rowCheckOf(database);
  return (sessionId) => {
    const kept = sum.get(sessionId) ?? 0;
    if (kept <= bytes) return { blobs: [], more: false, blobBytes: kept };
    const rows = beyond.all(sessionId, bytes).flatMap((seq) => read.get(sessionId, seq) ?? []);
    for (const row of rows) write.run(withSum('events', { ...check('events', row), blob: null }));
    return {
      blobs: blobIds(rows.map(({ blob }) => blob)),
      more: rows.length === BATCH,
      blobBytes: sum.get(sessionId) ?? 0,
    };
  };
}
