import { blobIds } from './event-blobs.js';
import { BYTES_OF_BLOBS } from './extents.js';
import { rowCheckOf } from './meta-rows.js';
import { withSum } from './row-sums.js';
import type { EventRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** Each blob costs reading and writing a row of up to 1 MiB. */
const BATCH = 4;

/** SQL: whether the event of this row asks for a permission that is still undecided. */
export const isAwaited = (row: string): string => `EXISTS (
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
export function prepareBlobRemoval(database: SqliteDatabase, bytes: number): (sessionId: string) => RemovedBlobs {
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
