import { foreignOf, NAMELESS } from '../../protocol/foreign-ids.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { MessageStart } from '../ports/claude.js';
import type { EventRange } from '../ports/journal.js';
import type { DeviceRef, EventRecord, SessionRecord, StoredSession } from '../ports/records.js';
import type { Extents } from './extents.js';
import { JournalDamaged } from './journal-damaged.js';
import type { RowCheck } from './row-sums.js';
import {
  type EventRow,
  eventOf,
  type PermissionRow,
  type PromptRow,
  permissionOf,
  promptOf,
  type SessionRow,
} from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

export interface ReadSources {
  database: SqliteDatabase;
  extents: Extents;
  check: RowCheck;
}

/** Reads that check every row; a missing row is damage like an altered one. */
export function prepareReads(sources: ReadSources) {
  const { database, check } = sources;
  const event = database.prepare<[string, number], EventRow>(`SELECT * FROM events WHERE session_id = ? AND seq = ?`);
  const size = database
    .prepare<[string, number], number>(`SELECT OCTET_LENGTH(data) FROM events WHERE session_id = ? AND seq = ?`)
    .pluck();
  const request = database.prepare<[string, string, string], PromptRow>(
    `SELECT * FROM prompts WHERE user_id = ? AND device_id = ? AND request_id = ?`,
  );
  const prompt = database.prepare<[string], PromptRow>(`SELECT * FROM prompts WHERE prompt_id = ?`);
  const permission = database.prepare<[string, string], PermissionRow>(
    `SELECT * FROM permissions WHERE session_id = ? AND permission_id = ?`,
  );
  return {
    readEvents: prepareReadEvents(sources),
    findEvent: (sessionId: SessionId, seq: number) => {
      const row = event.get(sessionId, seq);
      return row && eventOf(check('events', requireAsked(row, row.session_id === sessionId && row.seq === seq)));
    },
    sizeOfEvent: (sessionId: SessionId, seq: number) => size.get(sessionId, seq),
    findRequest: ({ userId, deviceId }: DeviceRef, requestId: string) => {
      const row = request.get(userId, deviceId, requestId);
      return row && promptOf(check('prompts', requireAsked(row, row.request_id === requestId)));
    },
    findPrompt: (promptId: string) => {
      const row = prompt.get(promptId);
      return row && promptOf(check('prompts', requireAsked(row, row.prompt_id === promptId)));
    },
    findPermission: (sessionId: SessionId, permissionId: string) => {
      const row = permission.get(sessionId, permissionId);
      const isAsked = row?.session_id === sessionId && row.permission_id === permissionId;
      return row && permissionOf(check('permissions', requireAsked(row, isAsked)));
    },
    findTool: prepareFindTool(database, check),
    ...prepareIsTaken(database),
  };
}

/** An altered index can lead to a different, intact row. */
function requireAsked<T>(row: T, isAsked: boolean): T {
  if (!isAsked) throw new JournalDamaged('an index leads to another row');
  return row;
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

function prepareIsTaken(database: SqliteDatabase) {
  const tool = database
    .prepare<[string, string], number>(
      `SELECT 1 FROM events INDEXED BY events_by_tool WHERE session_id = ? AND type = 'toolUse' AND data ->> 'toolId' = ? LIMIT 1`,
    )
    .pluck();
  const message = database
    .prepare<[object], number>(
      `SELECT 1 FROM events INDEXED BY events_by_message WHERE session_id = @sessionId AND message_id = @messageId
       AND (child_id IS NOT @childId OR line_offset < @offset OR (data ->> 'parentToolUseId' IS NULL) <> @isMain) LIMIT 1`,
    )
    .pluck();
  return {
    isToolTaken: (sessionId: SessionId, toolId: string) => tool.get(sessionId, toolId) !== undefined,
    isMessageTaken: (sessionId: SessionId, { parentToolUseId, ...start }: MessageStart) =>
      message.get({ sessionId, isMain: Number(parentToolUseId === undefined), ...start }) !== undefined,
  };
}

/** Seqs have no gaps from the first stored one up to the session's head. */
function prepareReadEvents({ database, extents, check }: ReadSources) {
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

/** All sessions, with their unfinished prompts and permission requests. */
export function loadSessions(database: SqliteDatabase, check: RowCheck): StoredSession[] {
  const prompts = database.prepare<[string], PromptRow>(
    `SELECT * FROM prompts WHERE session_id = ? AND state IN ('queued', 'dispatching', 'processing') ORDER BY rowid`,
  );
  const permissions = database.prepare<[string], PermissionRow>(
    `SELECT * FROM permissions WHERE session_id = ? AND (decision IS NULL OR answer IS NOT NULL) ORDER BY rowid`,
  );
  const rows = database.prepare<[], SessionRow>(`SELECT * FROM sessions`);
  return rows.all().map((row) => {
    const { session_id, head, record } = check('sessions', row);
    return {
      record: JSON.parse(record) as SessionRecord,
      head,
      prompts: prompts.all(session_id).map((one) => promptOf(check('prompts', one))),
      permissions: permissions.all(session_id).map((one) => permissionOf(check('permissions', one))),
    };
  });
}
