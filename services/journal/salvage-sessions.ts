import type { SessionRecord } from '../ports/records.js';
import { withSum } from './row-sums.js';
import type { EventRow, PermissionRow, SessionRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

type Place = Pick<EventRow, 'seq' | 'child_id' | 'line_offset'> & { rowid: number };

/** Makes each session end at its last event after a loss. Returns the number of lost events. */
export function settleSessions(fresh: SqliteDatabase): { lostEvents: number; readAgain: number } {
  const sessions = fresh.prepare<[], SessionRow>('SELECT * FROM sessions').all();
  const found = { lostEvents: 0, readAgain: 0 };
  fresh.transaction(() => {
    for (const row of sessions) {
      const lost = settleSession(fresh, row);
      found.lostEvents += lost.events;
      found.readAgain += Number(lost.readAgain);
    }
  })();
  return found;
}

function settleSession(fresh: SqliteDatabase, row: SessionRow): { events: number; readAgain: boolean } {
  const first = row.first ?? 1;
  const places = placesOf(fresh, row.session_id).filter(({ seq }) => seq >= first);
  const events = row.head - first + 1 - places.length;
  if (events === 0 && places.at(-1)?.seq === row.head) return { events, readAgain: false };
  const record = JSON.parse(row.record) as SessionRecord;
  const from = readAgainFrom(fresh, { row, record, places });
  if (from !== undefined && record.child) {
    const { childId } = record.child;
    fresh.prepare('DELETE FROM events WHERE child_id = ? AND line_offset >= ?').run(childId, from);
    keepDecisions(fresh, row.session_id, childId);
    record.child = { ...record.child, processed: from, resume: 0 };
  }
  const head = closeRanks(fresh, row.session_id);
  fresh
    .prepare(
      'UPDATE sessions SET head = @head, record = @record, first = @first, sum = @sum WHERE session_id = @session_id',
    )
    .run(withSum('sessions', { ...row, head, first: 1, record: JSON.stringify(record) }));
  return { events, readAgain: from !== undefined };
}

const placesOf = (fresh: SqliteDatabase, sessionId: string): Place[] =>
  fresh
    .prepare<[string], Place>('SELECT rowid, seq, child_id, line_offset FROM events WHERE session_id = ? ORDER BY seq')
    .all(sessionId);

interface LossOptions {
  row: SessionRow;
  record: SessionRecord;
  places: readonly Place[];
}

/**
 * The last output of a running child can be among the lost events, but its output file still has it. Returns the offset
 * of its last line with a kept event: output is read again from there, including that line, which can have had more
 * events. Undefined when rereading would do harm: when nothing after that line is lost, or when a line from before an
 * open prompt would be reread, since its end could be mistaken for the end of that prompt.
 */
function readAgainFrom(fresh: SqliteDatabase, { row, record, places }: LossOptions): number | undefined {
  const { child, sessionId } = record;
  if (!child) return undefined;
  const last = places.findLast(({ child_id }) => child_id === child.childId);
  const seq = last?.seq ?? 0;
  const keptBehind = places.filter((place) => place.seq > seq).length;
  if (row.head - seq === keptBehind) return undefined;
  const open = fresh
    .prepare<[{ sessionId: string; seq: number }], { state: string; announced: number }>(
      `SELECT state, EXISTS (SELECT 1 FROM events e WHERE e.session_id = p.session_id AND e.message_id = p.uuid
         AND e.seq < @seq) AS announced
       FROM prompts p WHERE session_id = @sessionId AND state IN ('queued', 'dispatching', 'processing')`,
    )
    .all({ sessionId, seq });
  const given = open.filter(({ state }) => state !== 'queued');
  const isSafe = open.length === 0 || (given.length > 0 && given.every(({ announced }) => announced === 1));
  return isSafe ? (last?.line_offset ?? 0) : undefined;
}

/**
 * Rereading lines must not ask decided requests again: they count as decided but unread until a reread line shows that
 * the child has read them.
 */
function keepDecisions(fresh: SqliteDatabase, sessionId: string, childId: string): void {
  const decided = fresh
    .prepare<[string, string], PermissionRow>(
      `SELECT * FROM permissions WHERE session_id = ? AND child_id = ? AND decision IS NOT NULL AND answer IS NULL`,
    )
    .all(sessionId, childId);
  const write = fresh.prepare(
    `UPDATE permissions SET answer = @answer, sum = @sum
     WHERE session_id = @session_id AND permission_id = @permission_id`,
  );
  for (const row of decided) write.run(withSum('permissions', { ...row, answer: '{}' }));
}

/** Renumbers the events without gaps: under the new epoch nothing refers to the old numbers. Returns the last. */
function closeRanks(fresh: SqliteDatabase, sessionId: string): number {
  const read = fresh.prepare<[number], EventRow>('SELECT * FROM events WHERE rowid = ?');
  const write = fresh.prepare(
    'UPDATE events SET seq = @seq, bytes_before = @bytes_before, sum = @sum WHERE rowid = @rowid',
  );
  let seq = 0;
  let bytes = 0;
  for (const { rowid } of placesOf(fresh, sessionId)) {
    const row = read.get(rowid);
    if (!row) continue;
    seq += 1;
    write.run({ ...withSum('events', { ...row, seq, bytes_before: bytes }), rowid });
    bytes += Buffer.byteLength(row.data);
  }
  return seq;
}
