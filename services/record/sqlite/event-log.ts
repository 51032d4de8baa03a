import { foreignOf, NAMELESS } from '../../../protocol/foreign-ids.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { EventLog, EventRange } from '../../ports/journal.js';
import type { EventRecord } from '../../ports/records.js';
import { type DamageGuard, JournalDamaged } from '../damage/damage-guard.js';
import type { Extents } from './extents.js';
import type { RowCheck } from './row-sums.js';
import { type EventRow, eventOf } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** What the statements of a table need. */
export interface Sources {
  database: SqliteDatabase;
  extents: Extents;
  check: RowCheck;
  guard: DamageGuard;
}

/** Reads that check every row; a missing row is damage like an altered one. */
export function createEventLog(sources: Sources): EventLog {
  const { database, extents, check, guard } = sources;
  const event = database.prepare<[string, number], EventRow>(`SELECT * FROM events WHERE session_id = ? AND seq = ?`);
  const size = database
    .prepare<[string, number], number>(`SELECT OCTET_LENGTH(data) FROM events WHERE session_id = ? AND seq = ?`)
    .pluck();
  const tool = database
    .prepare<[string, string], number>(
      `SELECT 1 FROM events INDEXED BY events_by_tool WHERE session_id = ? AND type = 'toolUse' AND data ->> 'toolId' = ? LIMIT 1`,
    )
    .pluck();
  const tools = database
    .prepare<[string, number, number], number>(
      `SELECT COUNT(*) FROM events INDEXED BY events_by_seq
       WHERE session_id = ? AND seq > ? AND seq < ? AND type = 'toolUse'`,
    )
    .pluck();
  const message = database
    .prepare<[string, string], number>(
      `SELECT seq FROM events INDEXED BY events_by_message WHERE session_id = ? AND message_id = ? ORDER BY seq LIMIT 1`,
    )
    .pluck();
  const readEvents = prepareReadEvents(sources);
  const findEvent = (sessionId: SessionId, seq: number) => {
    const row = event.get(sessionId, seq);
    return row && eventOf(check('events', requireAsked(row, row.session_id === sessionId && row.seq === seq)));
  };
  const findTool = prepareFindTool(database, check);
  return {
    readEvents: (range) => guard.run(() => readEvents(range)),
    findEvent: (sessionId, seq) => guard.run(() => findEvent(sessionId, seq)),
    sizeOfEvent: (sessionId, seq) => guard.run(() => size.get(sessionId, seq)),
    firstSeq: (sessionId) => guard.run(() => extents.of(sessionId).first),
    findTool: (sessionId, foreignId) => guard.run(() => findTool(sessionId, foreignId)),
    countTools: (sessionId, { after, before }) => guard.run(() => tools.get(sessionId, after, before) ?? 0),
    seqOfMessage: (sessionId, messageId) => guard.run(() => message.get(sessionId, messageId)),
    isToolTaken: (sessionId, toolId) => guard.run(() => tool.get(sessionId, toolId) !== undefined),
  };
}

/** Seqs have no gaps from the first stored one up to the session's head. */
function prepareReadEvents({ database, extents, check }: Omit<Sources, 'guard'>) {
  const events = database.prepare<[string, number, number], EventRow>(
    `SELECT * FROM events WHERE session_id = ? AND seq >= ? ORDER BY seq LIMIT ?`,
  );
  return ({ sessionId, after, limit, bytes = Number.POSITIVE_INFINITY }: EventRange) => {
    const { first, head } = extents.of(sessionId);
    const read: EventRecord[] = [];
    let next = Math.max(after + 1, first);
    let size = 0;
    for (const row of events.iterate(sessionId, next, limit)) {
      if (row.session_id !== sessionId || row.seq !== next) throw new JournalDamaged('events are missing');
      read.push(eventOf(check('events', row)));
      next += 1;
      size += row.data.length;
      if (size > bytes) return read;
    }
    if (read.length < limit && next <= head) throw new JournalDamaged('events are missing');
    return read;
  };
}

/** A tool missing from the index is searched without it. That is rarely needed: then the index has lost it. */
function prepareFindTool(database: SqliteDatabase, check: RowCheck) {
  const selectBy = (index: string) =>
    database.prepare<string[], EventRow>(
      `SELECT * FROM events INDEXED BY ${index} WHERE session_id = ? AND type = 'toolUse'
       AND data ->> 'toolId' >= ? AND data ->> 'toolId' < ? AND (data ->> 'toolId' = ? OR data ->> 'toolId' > ?)
       ORDER BY seq DESC LIMIT 1`,
    );
  const [byTool, bySeq] = [selectBy('events_by_tool'), selectBy('events_by_seq')];
  return (sessionId: SessionId, foreignId: string) => {
    const name = foreignId || NAMELESS;
    // Our own ids that contain the foreign one.
    const wanted = [sessionId, name, `${name}~g`, name, `${name}~`];
    const row = byTool.get(...wanted);
    if (!row && bySeq.get(...wanted)) throw new JournalDamaged('a tool use is missing');
    if (!row) return undefined;
    const { toolId, toolName } = JSON.parse(check('events', row).data) as { toolId: string; toolName: string };
    return requireAsked({ toolId, toolName }, row.session_id === sessionId && foreignOf(toolId) === name);
  };
}

/** An altered index can lead to a different, intact row. */
export function requireAsked<T>(row: T, isAsked: boolean): T {
  if (!isAsked) throw new JournalDamaged('an index leads to another row');
  return row;
}
