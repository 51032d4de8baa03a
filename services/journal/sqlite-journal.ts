import type { SessionId } from '../../protocol/scalars.js';
import type { EventRange, Journal } from '../ports/journal.js';
import type { DeviceRef, EventRecord, SessionChange, SessionRecord, StoredSession } from '../ports/records.js';
import { beginEpoch, endEpoch } from './epoch.js';
import { type Extent, Extents } from './extents.js';
import { createMessageReader } from './message-reader.js';
import { prepareOrphanRemoval } from './retention.js';
import {
  type EventRow,
  eventOf,
  type PermissionRow,
  type PromptRow,
  permissionOf,
  permissionRow,
  promptOf,
  promptRow,
} from './rows.js';
import { checkpoint, guarded, type SqliteDatabase } from './sqlite-database.js';
import { WalSync } from './wal-sync.js';

export interface SqliteJournalOptions {
  database: SqliteDatabase;
  /** Names this run of the operating system. */
  bootId: string;
  /** How much of each session is kept; without it, all. */
  extents?: Extents;
  /** A session has grown to this. */
  onGrown?: (sessionId: SessionId, extent: Extent) => void;
}

/** The journal on SQLite. Closing it closes the database. */
export function createSqliteJournal(options: SqliteJournalOptions): Journal & { close(): Promise<void> } {
  const { database, bootId, extents = new Extents(database), onGrown } = options;
  const write = prepareCommit(database, extents);
  const reads = prepareReads(database);
  const epoch = beginEpoch(database, bootId);
  const log = new WalSync(`${database.name}-wal`, () => checkpoint(database));
  return {
    epoch,
    sync: () => log.sync(),
    close: async () => {
      // What cannot be synced is no clean end; the daemon ends all the same.
      await log
        .sync()
        .then(() => endEpoch(database))
        .catch(() => {});
      await log.close();
      database.close();
    },
    loadSessions: async () => loadSessions(database),
    commit: async (change) => {
      const { sessionId } = change.record;
      const extent = guarded(() => write(change));
      extents.set(sessionId, extent);
      if (change.events.length > 0) onGrown?.(sessionId, extent);
    },
    firstSeq: async (sessionId) => extents.of(sessionId).first,
    readMessages: createMessageReader(database),
    probe: async () => void database.prepare('SELECT 1 FROM meta').get(),
    forget: async (sessionId) => {
      guarded(() => forget(database, sessionId));
      extents.forget(sessionId);
      const removeBatch = prepareOrphanRemoval(database);
      while (guarded(() => removeBatch(sessionId))) await turnOfOthers();
    },
    ...reads,
  };
}

function prepareCommit(database: SqliteDatabase, extents: Extents): (change: SessionChange) => Extent {
  const session = database.prepare(
    `INSERT INTO sessions (session_id, head, record) VALUES (@sessionId, @head, @record)
     ON CONFLICT DO UPDATE SET head = MAX(head, excluded.head), record = excluded.record`,
  );
  const event = database.prepare(
    `INSERT INTO events (session_id, seq, type, at, data, message_id, child_id, line_offset, line_part, bytes_before)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const prompt = database.prepare(
    `INSERT INTO prompts (prompt_id, session_id, user_id, device_id, request_id, uuid, state, mode, announced, text, attachments,
       answer, outcome, created_at, ended_at)
     VALUES (@prompt_id, @session_id, @user_id, @device_id, @request_id, @uuid, @state, @mode, @announced, @text, @attachments,
       @answer, @outcome, @created_at, @ended_at)
     ON CONFLICT (prompt_id) DO UPDATE SET state = excluded.state, mode = excluded.mode,
       announced = excluded.announced, text = excluded.text, attachments = excluded.attachments, outcome = excluded.outcome, ended_at = excluded.ended_at`,
  );
  const permission = database.prepare(
    `INSERT INTO permissions (session_id, permission_id, child_id, ask, decision, by_device_id, answer, created_at)
     VALUES (@session_id, @permission_id, @child_id, @ask, @decision, @by_device_id, @answer, @created_at)
     ON CONFLICT DO UPDATE SET ask = excluded.ask, decision = excluded.decision, by_device_id = excluded.by_device_id,
       answer = excluded.answer`,
  );
  return database.transaction(({ record, events, prompts, permissions }: SessionChange) => {
    const { sessionId } = record;
    const extent = { ...extents.of(sessionId) };
    session.run({ sessionId, head: events.at(-1)?.seq ?? 0, record: JSON.stringify(record) });
    for (const { seq, type, at, data, messageId, line } of events) {
      const source = [line?.childId ?? null, line?.offset ?? null, line?.part ?? null];
      event.run(sessionId, seq, type, at, data, messageId ?? null, ...source, extent.total);
      extent.total += Buffer.byteLength(data);
      extent.head = seq;
    }
    for (const row of prompts) prompt.run(promptRow(row));
    for (const row of permissions) permission.run(permissionRow(row));
    return extent;
  });
}

function prepareReads(database: SqliteDatabase) {
  const events = database.prepare<[string, number, number], EventRow>(
    `SELECT seq, type, at, data, message_id FROM events WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?`,
  );
  const request = database.prepare<[string, string, string], PromptRow>(
    `SELECT * FROM prompts WHERE user_id = ? AND device_id = ? AND request_id = ?`,
  );
  const prompt = database.prepare<[string], PromptRow>(`SELECT * FROM prompts WHERE prompt_id = ?`);
  const permission = database.prepare<[string, string], PermissionRow>(
    `SELECT * FROM permissions WHERE session_id = ? AND permission_id = ?`,
  );
  const toolName = database
    .prepare<[string, string], string>(
      `SELECT data ->> 'toolName' FROM events
       WHERE session_id = ? AND type = 'toolUse' AND data ->> 'toolId' = ? ORDER BY seq DESC LIMIT 1`,
    )
    .pluck();
  const map = <Row, Value>(row: Row | undefined, convert: (row: Row) => Value) => row && convert(row);
  return {
    readEvents: async ({ sessionId, after, limit, bytes = Number.POSITIVE_INFINITY }: EventRange) => {
      const read: EventRecord[] = [];
      let size = 0;
      for (const row of events.iterate(sessionId, after, limit)) {
        read.push(eventOf(row));
        size += row.data.length;
        if (size > bytes) break;
      }
      return read;
    },
    findRequest: async ({ userId, deviceId }: DeviceRef, requestId: string) =>
      map(request.get(userId, deviceId, requestId), promptOf),
    findPrompt: async (promptId: string) => map(prompt.get(promptId), promptOf),
    findPermission: async (sessionId: SessionId, permissionId: string) =>
      map(permission.get(sessionId, permissionId), permissionOf),
    findToolName: async (sessionId: SessionId, toolId: string) => toolName.get(sessionId, toolId),
  };
}

function loadSessions(database: SqliteDatabase): StoredSession[] {
  const prompts = database.prepare<[string], PromptRow>(
    `SELECT * FROM prompts WHERE session_id = ? AND state IN ('queued', 'dispatching', 'processing') ORDER BY rowid`,
  );
  const permissions = database.prepare<[string], PermissionRow>(
    `SELECT * FROM permissions WHERE session_id = ? AND (decision IS NULL OR answer IS NOT NULL) ORDER BY rowid`,
  );
  const rows = database.prepare<[], { session_id: string; head: number; record: string }>(`SELECT * FROM sessions`);
  return rows.all().map(({ session_id, head, record }) => ({
    record: JSON.parse(record) as SessionRecord,
    head,
    prompts: prompts.all(session_id).map(promptOf),
    permissions: permissions.all(session_id).map(permissionOf),
  }));
}

const TABLES_OF_A_SESSION = ['prompts', 'permissions', 'cursors', 'sessions'];

/** Its events go in batches afterwards; those that are left when the process ends in between go with the next round of retention. */
function forget(database: SqliteDatabase, sessionId: SessionId): void {
  database.transaction(() => {
    for (const table of TABLES_OF_A_SESSION) {
      database.prepare(`DELETE FROM ${table} WHERE session_id = ?`).run(sessionId);
    }
  })();
}

const turnOfOthers = () => new Promise<void>((resolve) => setImmediate(resolve));
