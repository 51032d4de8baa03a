import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionId } from '../../protocol/scalars.js';
import { isStorageError } from '../../protocol/storage-error.js';
import type { DamageGuard } from './damage-guard.js';
import { JournalDamaged } from './journal-damaged.js';
import type { RowCheck } from './row-sums.js';
import { insertInto, summedValues, withSum } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';
import { Batch } from './time-slice.js';

/**
 * A message of the conversation: its number in the session, without gaps; the seq where it begins, or where it began
 * before retention removed its first events; the number of its events that are left.
 */
export interface MessageRow {
  session_id: string;
  number: number;
  message_id: string;
  seq: number;
  blocks: number;
}

/** Part of the messages of a session, by number; `count` messages from `first` on. */
export interface MessageSpan {
  first: number;
  count: number;
}

interface MessageEvent {
  seq: number;
  message_id: string;
  parent: string | null;
}

export interface MessageIndexOptions {
  database: SqliteDatabase;
  check: RowCheck;
  guard: DamageGuard;
}

const FEWEST_ROWS = 1;
const UNWRITTEN_ROWS = 1000;

/**
 * The messages of a session, in order: a page of history costs the page, at any length. The table is derived from the
 * events, and follows them when a history is read, in slices of a millisecond: an event costs nothing here when it is
 * written, and nothing at all in a session whose history is not read.
 */
export class MessageIndex {
  readonly #database: SqliteDatabase;
  readonly #check: RowCheck;
  readonly #guard: DamageGuard;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #position: ReturnType<typeof preparePosition>;
  readonly #advanceDurably: (sessionId: SessionId, size: number) => boolean;

  constructor({ database, check, guard }: MessageIndexOptions) {
    this.#database = database;
    this.#check = check;
    this.#guard = guard;
    this.#statements = prepareStatements(database);
    this.#position = preparePosition(database, check);
    this.#advanceDurably = database.transaction((sessionId: SessionId, size: number) => this.#advance(sessionId, size));
  }

  /** Calls `read` when the index contains all events of the session. On a full disk it contains them for that call. */
  async read<T>(sessionId: SessionId, read: () => T): Promise<T> {
    const batch = new Batch(FEWEST_ROWS);
    const advance = () => this.#guard.write(() => this.#advanceDurably(sessionId, batch.size));
    try {
      while (this.#guard.run(() => this.#isBehind(sessionId)) && batch.timed(advance)) await turnOfOthers();
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return this.#guard.run(() => this.#readUnwritten(sessionId, read));
    }
    return this.#guard.run(read);
  }

  /** The seq of the last event that the index contains; 0 for none. */
  positionOf(sessionId: SessionId): number {
    return this.#position.get(sessionId);
  }

  /** The messages whose first event lies after one seq and before another. */
  spanOf(sessionId: SessionId, { after, before }: { after: number; before: number }): MessageSpan {
    const first = this.#statements.firstAfter.get(sessionId, after);
    const last = this.#statements.lastBefore.get(sessionId, before);
    if (first === undefined || last === undefined || last < first) return { first: 0, count: 0 };
    return { first, count: last - first + 1 };
  }

  /** In order. Throws `JournalDamaged` when one is missing. */
  rowsOf(sessionId: SessionId, { first, count }: MessageSpan): MessageRow[] {
    if (count === 0) return [];
    const rows = this.#statements.range.all(sessionId, first, first + count - 1);
    if (rows.length !== count) throw new JournalDamaged('messages are missing');
    return rows.map((row) => this.#check('messages', row));
  }

  #isBehind(sessionId: SessionId): boolean {
    return this.#position.get(sessionId) < (this.#statements.head.get(sessionId) ?? 0);
  }

  /** Adds the messages of so many events; returns whether more may follow. */
  #advance(sessionId: SessionId, size: number): boolean {
    const { following, head } = this.#statements;
    const events = following.all(sessionId, this.#position.get(sessionId), size);
    for (const event of events) this.#add(sessionId, event);
    const mayFollow = events.length === size;
    const last = mayFollow ? events.at(-1)?.seq : head.get(sessionId);
    if (last !== undefined) this.#position.set(sessionId, last);
    return mayFollow;
  }

  /** Messages of subagents belong to the work of a tool. */
  #add(session_id: SessionId, { message_id, seq, parent }: MessageEvent): void {
    const { byId, last, insert, update } = this.#statements;
    const known = byId.get(session_id, message_id);
    if (known) {
      const row = this.#check('messages', known);
      update.run(withSum('messages', { ...row, blocks: row.blocks + 1 }));
    } else if (parent === null) {
      const number = (last.get(session_id) ?? 0) + 1;
      insert.run(summedValues('messages', { session_id, number, message_id, seq, blocks: 1 }));
    }
  }

  /** What is written in a transaction stays in memory until its end, unless the cache spills. */
  #readUnwritten<T>(sessionId: SessionId, read: () => T): T {
    this.#database.pragma('cache_spill = OFF');
    this.#database.exec('BEGIN');
    try {
      while (this.#advance(sessionId, UNWRITTEN_ROWS));
      return read();
    } finally {
      this.#database.exec('ROLLBACK');
      this.#database.pragma('cache_spill = ON');
    }
  }
}

/**
 * Follows the removal of all events before a seq, in its transaction. A message of which a part is left keeps its place;
 * its number closes the gap that removed messages leave.
 */
export function prepareMessageTrim(database: SqliteDatabase, check: RowCheck) {
  const position = preparePosition(database, check);
  const { update } = prepareStatements(database);
  const { newest, remove, kept, blocks } = prepareTrimming(database);
  return (sessionId: SessionId, first: number): void => {
    const before = newest.get(sessionId, first);
    if (before === undefined) return;
    remove.run(sessionId, first);
    const indexed = position.get(sessionId);
    const rows = kept.all(sessionId, first);
    // From the last on: its number is free.
    for (const [back, row] of rows.toReversed().entries()) {
      const left = blocks.get(sessionId, row.message_id, row.seq, indexed) ?? 0;
      update.run(withSum('messages', { ...row, number: before - back, blocks: left }));
    }
  };
}

function preparePosition(database: SqliteDatabase, check: RowCheck) {
  const select = database.prepare<[string], { session_id: string; seq: number }>(
    'SELECT * FROM indexed_sessions WHERE session_id = ?',
  );
  const upsert = database.prepare(
    `${insertInto('indexed_sessions')} ON CONFLICT (session_id) DO UPDATE SET seq = excluded.seq, sum = excluded.sum`,
  );
  return {
    get: (sessionId: SessionId): number => {
      const row = select.get(sessionId);
      return row ? check('indexed_sessions', row).seq : 0;
    },
    set: (session_id: SessionId, seq: number): void => {
      upsert.run(summedValues('indexed_sessions', { session_id, seq }));
    },
  };
}

function prepareStatements(database: SqliteDatabase) {
  const number = (sql: string) => database.prepare<[string, number], number>(sql).pluck();
  return {
    byId: database.prepare<[string, string], MessageRow>(
      'SELECT * FROM messages WHERE session_id = ? AND message_id = ?',
    ),
    last: database
      .prepare<[string], number>('SELECT number FROM messages WHERE session_id = ? ORDER BY number DESC LIMIT 1')
      .pluck(),
    head: database.prepare<[string], number>('SELECT head FROM sessions WHERE session_id = ?').pluck(),
    insert: database.prepare(insertInto('messages')),
    update: database.prepare(
      `UPDATE messages SET number = @number, blocks = @blocks, sum = @sum
       WHERE session_id = @session_id AND message_id = @message_id`,
    ),
    firstAfter: number('SELECT number FROM messages WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT 1'),
    lastBefore: number('SELECT number FROM messages WHERE session_id = ? AND seq < ? ORDER BY seq DESC LIMIT 1'),
    range: database.prepare<[string, number, number], MessageRow>(
      'SELECT * FROM messages WHERE session_id = ? AND number BETWEEN ? AND ? ORDER BY number',
    ),
    following: database.prepare<[string, number, number], MessageEvent>(
      `SELECT seq, message_id, data ->> 'parentToolUseId' AS parent FROM events INDEXED BY events_by_seq
       WHERE session_id = ? AND seq > ? AND message_id IS NOT NULL ORDER BY seq LIMIT ?`,
    ),
  };
}

function prepareTrimming(database: SqliteDatabase) {
  return {
    newest: database
      .prepare<[string, number], number>(
        'SELECT number FROM messages WHERE session_id = ? AND seq < ? ORDER BY seq DESC LIMIT 1',
      )
      .pluck(),
    /** One statement for all messages of which nothing is left. */
    remove: database.prepare(
      `DELETE FROM messages WHERE session_id = ? AND seq < ? AND NOT EXISTS (
         SELECT 1 FROM events INDEXED BY events_by_message
         WHERE events.session_id = messages.session_id AND events.message_id = messages.message_id)`,
    ),
    kept: database.prepare<[string, number], MessageRow>(
      'SELECT * FROM messages WHERE session_id = ? AND seq < ? ORDER BY number',
    ),
    blocks: database
      .prepare<[string, string, number, number], number>(
        `SELECT COUNT(*) FROM events INDEXED BY events_by_message
         WHERE session_id = ? AND message_id = ? AND seq BETWEEN ? AND ?`,
      )
      .pluck(),
  };
}
