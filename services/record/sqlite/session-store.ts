import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionId } from '../../../protocol/scalars.js';
import { isDelivery, isPush } from '../../model/owed-rows.js';
import type { BlobStore } from '../../ports/blobs.js';
import type { ListedPrompts, PromptRange, RequestLookup, SessionStore } from '../../ports/journal.js';
import type { OwedRow } from '../../ports/outbox.js';
import type {
  DeviceRef,
  EventRecord,
  KeptChange,
  PromptState,
  SessionRecord,
  StoredSession,
} from '../../ports/records.js';
import { isTaken } from '../damage/damage-guard.js';
import { countCommits, type MarkFile } from '../damage/epoch.js';
import { idsOf, keepEvents } from '../files/blobs.js';
import { prepareOrphanRemoval } from '../retention/trim.js';
import { prepareMarks } from './budgets.js';
import { requireAsked, type Sources } from './event-log.js';
import type { Extent, Extents } from './extents.js';
import {
  insertInto,
  openMeta,
  type RowCheck,
  SUMMED_COLUMNS,
  summedValues,
  TABLES_OF_A_SESSION,
  type TableName,
} from './row-sums.js';
import {
  type EventRow,
  eventRow,
  type PermissionRow,
  type PromptRow,
  permissionOf,
  permissionRow,
  promptOf,
  promptRow,
  pushRow,
  type SessionRow,
} from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';
import { prepareUsage } from './usage.js';
import { prepareGoneUsage } from './usage-sums.js';
import { prepareDeliveries } from './webhooks.js';

export interface SessionStoreOptions extends Sources {
  blobs: BlobStore;
  mark: MarkFile;
  /** Called with a session's new extent. */
  onGrown: (sessionId: SessionId, extent: Extent) => void;
}

export function createSessionStore({ blobs, mark, onGrown, ...sources }: SessionStoreOptions): SessionStore {
  const { database, check, guard } = sources;
  const writes = prepareWrites({ ...sources, mark, onGrown });
  const drop = (ids: readonly string[]) => {
    if (ids.length > 0) void blobs.remove(ids);
  };
  return {
    loadSessions: () => guard.run(() => loadSessions(database, check)),
    keepEvents: (change) => keepEvents(blobs, change),
    commit: (change, owed) => {
      try {
        guard.write(() => writes.commit(change, owed?.()));
      } catch (error) {
        drop(idsOf(change.events));
        throw error;
      }
      drop(doneBodies(change));
    },
    forget: async (sessionId) => {
      guard.write(() => writes.forget(sessionId));
      for (let more = true; more; await turnOfOthers()) {
        const removed = guard.write(() => writes.forgetEvents(sessionId));
        drop(removed.blobs);
        more = removed.more;
      }
    },
  };
}

/** Reads prompts and permission requests, and checks each. */
export function createRequestLookup({ database, check, guard }: Omit<Sources, 'extents'>): RequestLookup {
  const request = database.prepare<[string, string, string], PromptRow>(
    `SELECT * FROM prompts WHERE user_id = ? AND device_id = ? AND request_id = ?`,
  );
  const prompt = database.prepare<[string], PromptRow>(`SELECT * FROM prompts WHERE prompt_id = ?`);
  const permission = database.prepare<[string, string], PermissionRow>(
    `SELECT * FROM permissions WHERE session_id = ? AND permission_id = ?`,
  );
  const findRequest = ({ userId, deviceId }: DeviceRef, requestId: string) => {
    const row = request.get(userId, deviceId, requestId);
    return row && promptOf(check('prompts', requireAsked(row, row.request_id === requestId)));
  };
  const findPrompt = (promptId: string) => {
    const row = prompt.get(promptId);
    return row && promptOf(check('prompts', requireAsked(row, row.prompt_id === promptId)));
  };
  const findPermission = (sessionId: SessionId, permissionId: string) => {
    const row = permission.get(sessionId, permissionId);
    const isAsked = row?.session_id === sessionId && row.permission_id === permissionId;
    return row && permissionOf(check('permissions', requireAsked(row, isAsked)));
  };
  const listPrompts = preparePromptList(database, check);
  return {
    listPrompts: (range) => guard.run(() => listPrompts(range)),
    findRequest: (device, requestId) => guard.run(() => findRequest(device, requestId)),
    findPrompt: (promptId) => guard.run(() => findPrompt(promptId)),
    findPermission: (sessionId, id) => guard.run(() => findPermission(sessionId, id)),
  };
}

const ALL_STATES: readonly PromptState[] = ['queued', 'dispatching', 'processing', 'completed', 'failed', 'cancelled'];

function preparePromptList(database: SqliteDatabase, check: RowCheck): (range: PromptRange) => ListedPrompts {
  const inStates = 'session_id = @sessionId AND state IN (SELECT value FROM json_each(@states))';
  const page = database.prepare<[object], PromptRow & { number: number }>(
    `SELECT rowid AS number, * FROM prompts INDEXED BY prompts_of_session
     WHERE ${inStates} AND rowid < @before ORDER BY rowid DESC LIMIT @limit OFFSET @offset`,
  );
  const count = database
    .prepare<[object], number>(`SELECT COUNT(*) FROM prompts INDEXED BY prompts_of_session WHERE ${inStates}`)
    .pluck();
  return ({ sessionId, states = ALL_STATES, limit, offset, before = Number.MAX_SAFE_INTEGER }) => {
    const among = { sessionId, states: JSON.stringify(states) };
    const rows = page.all({ ...among, limit, offset, before });
    const prompts = rows.map(({ number, ...row }) => ({ number, prompt: promptOf(check('prompts', row)) }));
    return { prompts, total: count.get(among) ?? 0 };
  };
}

/** All sessions, with their unfinished prompts and permission requests. */
export function loadSessions(database: SqliteDatabase, check: RowCheck): StoredSession[] {
  const prompts = database.prepare<[string], PromptRow>(
    `SELECT * FROM prompts WHERE session_id = ? AND state IN ('queued', 'dispatching', 'processing')
     ORDER BY place NULLS LAST, rowid`,
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

/** The bodies of ended prompts, which no row names. */
const doneBodies = ({ prompts }: KeptChange): string[] =>
  prompts.flatMap(({ body, endedAt }) => (body && endedAt !== undefined ? body.id : []));

type WriteOptions = Omit<SessionStoreOptions, 'blobs'>;

/** Counts each write in the same transaction, then marks it. */
function prepareWrites({ database, extents, check, mark, onGrown }: WriteOptions) {
  const write = prepareCommit(database, extents);
  const requireIndexed = prepareIndexCheck(database, check);
  const erase = prepareForget(database);
  let commits = countCommits(database);
  const counted = <T>(action: (commit: number) => T): T => {
    const result = action(commits + 1);
    commits += 1;
    mark.write(commits);
    return result;
  };
  return {
    commit: (change: KeptChange, owed?: readonly OwedRow[]) => {
      const { sessionId } = change.record;
      const extent = counted((commit) => {
        try {
          return write(change, commit, owed);
        } catch (error) {
          if (isTaken(error)) requireIndexed(change);
          throw error;
        }
      });
      extents.set(sessionId, extent);
      if (change.events.length > 0) onGrown(sessionId, extent);
    },
    forget: (sessionId: SessionId) => {
      counted((commit) => erase(sessionId, commit));
      extents.forget(sessionId);
    },
    /** Removes a batch; returns whether more can remain. Retention removes the leftovers in a later round. */
    forgetEvents: prepareOrphanRemoval(database),
  };
}

/**
 * A place in the events that is taken by its own row is a bug of the caller or a lost race. Taken by another row, it is
 * a damaged index: throws `JournalDamaged`.
 */
function prepareIndexCheck(database: SqliteDatabase, check: RowCheck): (change: KeptChange) => void {
  const bySeq = database.prepare<[string, number], EventRow>(
    'SELECT * FROM events INDEXED BY events_by_seq WHERE session_id = ? AND seq = ?',
  );
  const byLine = database.prepare<[string, number, number], EventRow>(
    `SELECT * FROM events INDEXED BY events_by_line
     WHERE child_id = ? AND line_offset = ? AND line_part = ? AND child_id IS NOT NULL`,
  );
  return ({ record: { sessionId }, events }) => {
    for (const { seq, line } of events) {
      const atSeq = bySeq.get(sessionId, seq);
      if (atSeq) check('events', requireAsked(atSeq, atSeq.session_id === sessionId && atSeq.seq === seq));
      const atLine = line && byLine.get(line.childId, line.offset, line.part);
      if (atLine) check('events', requireAsked(atLine, isOfLine(atLine, line)));
    }
  };
}

const isOfLine = (row: EventRow, { childId, offset, part }: NonNullable<EventRecord['line']>): boolean =>
  row.child_id === childId && row.line_offset === offset && row.line_part === part;

const FORGOTTEN_WITH_IT = [...TABLES_OF_A_SESSION, 'budget_marks', 'indexed_sessions', 'sessions'];

function prepareForget(database: SqliteDatabase): (sessionId: SessionId, commit: number) => void {
  const meta = openMeta(database);
  const keepUsage = prepareGoneUsage(database);
  return database.transaction((sessionId: SessionId, commit: number) => {
    meta.set('commits', String(commit));
    keepUsage(sessionId);
    for (const table of FORGOTTEN_WITH_IT) {
      database.prepare(`DELETE FROM ${table} WHERE session_id = ?`).run(sessionId);
    }
  });
}

/** Writes a change in one transaction, under its commit number. Returns the session's new extent. */
function prepareCommit(
  database: SqliteDatabase,
  extents: Extents,
): (change: KeptChange, commit: number, owed?: readonly OwedRow[]) => Extent {
  const session = prepareUpsert(database, 'sessions', 'session_id');
  const event = database.prepare(insertInto('events'));
  const prompt = prepareUpsert(database, 'prompts', 'prompt_id', ['session_id', 'user_id', 'device_id', 'request_id']);
  const permission = prepareUpsert(database, 'permissions', 'session_id, permission_id', ['child_id']);
  const push = database.prepare(insertInto('pushes'));
  const noteUsage = prepareUsage(database);
  const noteTold = prepareMarks(database);
  const tell = prepareDeliveries(database);
  return database.transaction((change: KeptChange, commits: number, owed: readonly OwedRow[] = []) => {
    const { record, events, prompts, permissions } = change;
    const { sessionId } = record;
    const extent = { ...extents.of(sessionId) };
    for (const one of events) {
      event.run(summedValues('events', { ...eventRow(sessionId, one), bytes_before: extent.total }));
      extent.total += Buffer.byteLength(one.data);
      extent.blobs += one.blob?.bytes ?? 0;
      extent.head = one.seq;
    }
    const { head, first } = extent;
    const row: SessionRow = { session_id: sessionId, head, record: JSON.stringify(record), commits, first };
    session.run(summedValues('sessions', row));
    for (const one of prompts) prompt.run(summedValues('prompts', promptRow(one)));
    for (const one of permissions) permission.run(summedValues('permissions', permissionRow(one)));
    noteUsage(record, events);
    noteTold(change.budgetMarks ?? []);
    for (const one of owed.filter(isPush)) push.run(summedValues('pushes', pushRow(one)));
    tell(owed.filter(isDelivery));
    return extent;
  });
}

/** Writes the whole row, since its checksum covers all columns. Indexed columns that never change are left out. */
function prepareUpsert(database: SqliteDatabase, table: TableName, key: string, constant: readonly string[] = []) {
  const kept = new Set([...key.split(', '), ...constant]);
  const changes = [...SUMMED_COLUMNS[table], 'sum'].filter((column) => !kept.has(column));
  const set = changes.map((column) => `${column} = excluded.${column}`).join(', ');
  return database.prepare(`${insertInto(table)} ON CONFLICT (${key}) DO UPDATE SET ${set}`);
}
