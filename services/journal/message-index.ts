import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionId } from '../../protocol/scalars.js';
import type { EventRecord } from '../ports/records.js';
import type { DamageGuard } from './damage-guard.js';
import { JournalDamaged } from './journal-damaged.js';
import type { RowCheck } from './row-sums.js';
import { insertInto, summedValues, withSum } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';
import { Batch } from './time-slice.js';

/** A message of the conversation: its number in the session, without gaps; where it began; how many events are left. */
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

const FEWEST_ROWS = 1;

/**
 * Which messages a session has, in order: a page of history costs the page, at any length. The table is derived from
 * the events, so a salvaged journal begins without it. It is complete for sessions that began under this version; an
 * older session is completed when its history is first read, in slices of a millisecond.
 */
export class MessageIndex {
  readonly #database: SqliteDatabase;
  readonly #check: RowCheck;
  readonly #guard: DamageGuard;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #filling = new Map<SessionId, Promise<void>>();

  constructor({ database, check, guard }: { database: SqliteDatabase; check: RowCheck; guard: DamageGuard }) {
    this.#database = database;
    this.#check = check;
    this.#guard = guard;
    this.#statements = prepareStatements(database);
  }

  /** Resolves when the session's index is complete. Rejects with `STORAGE_FULL`. */
  complete(sessionId: SessionId): Promise<void> {
    const running = this.#filling.get(sessionId);
    if (running) return running;
    if (this.#guard.run(() => this.#isComplete(sessionId))) return Promise.resolve();
    const filled = this.#fill(sessionId).finally(() => this.#filling.delete(sessionId));
    this.#filling.set(sessionId, filled);
    return filled;
  }

  /** The messages whose first event lies after one seq and before another. */
  spanOf(sessionId: SessionId, { after, before }: { after: number; before: number }): MessageSpan {
    const first = this.#statements.firstAfter.get(sessionId, after);
    const last = this.#statements.lastBefore.get(sessionId, before);
    if (first === undefined || last === undefined || last < first) return { first: 0, count: 0 };
    return { first, count: last - first + 1 };
  }

  /** In order. Throws `JournalDamaged` when one is missing. */
  read(sessionId: SessionId, { first, count }: MessageSpan): MessageRow[] {
    if (count === 0) return [];
    const rows = this.#statements.range.all(sessionId, first, first + count - 1);
    if (rows.length !== count) throw new JournalDamaged('messages are missing');
    return rows.map((row) => this.#check('messages', row));
  }

  find(sessionId: SessionId, messageId: string): MessageRow | undefined {
    const row = this.#statements.byId.get(sessionId, messageId);
    return row && this.#check('messages', row);
  }

  #isComplete = (sessionId: SessionId): boolean => this.#statements.isComplete.get(sessionId) !== undefined;

  async #fill(sessionId: SessionId): Promise<void> {
    const { following, lastSeq, add, markComplete } = this.#statements;
    const batch = new Batch(FEWEST_ROWS);
    const addSome = this.#database.transaction((after: number, size: number): number | undefined => {
      const events = following.all(sessionId, after, size);
      for (const event of events) if (event.parent === null) add(sessionId, event.message_id);
      if (events.length < size) markComplete.run(sessionId);
      return events.length < size ? undefined : events.at(-1)?.seq;
    });
    let after: number | undefined = this.#guard.run(() => lastSeq.get(sessionId)) ?? 0;
    while (after !== undefined) {
      const from: number = after;
      after = batch.timed(() => this.#guard.write(() => addSome(from, batch.size)));
      await turnOfOthers();
    }
  }
}

/** Keeps the index in the transaction that writes or removes events. */
export function prepareIndexing(database: SqliteDatabase) {
  const { append, byId, extentOf, isComplete, markComplete, update } = prepareStatements(database);
  const { removeEmpty, maxBefore, startingBefore, firstFrom } = prepareTrimming(database);
  const write = (row: MessageRow) => update.run(withSum('messages', row));
  return {
    /** To be called behind the insertion of the event; `isNew`: it is the first of its session. */
    added: (sessionId: SessionId, event: EventRecord, isNew: boolean): void => {
      if (isNew) markComplete.run(sessionId);
      if (event.messageId === undefined) return;
      const known = byId.get(sessionId, event.messageId);
      if (known) write({ ...known, blocks: known.blocks + 1 });
      else if (isConversation(event) && isComplete.get(sessionId) !== undefined)
        append(sessionId, event.messageId, { seq: event.seq, blocks: 1 });
    },
    /**
     * To be called behind the removal of all events before this seq. A message of which a part is left keeps its place;
     * its number closes the gap that removed messages leave, so that numbers stay without gaps.
     */
    trimmed: (sessionId: SessionId, first: number): void => {
      const before = maxBefore.get(sessionId, first);
      if (before === undefined || before === null) return;
      const next = Math.max(firstFrom.get(sessionId, first) ?? 0, before + 1);
      removeEmpty.run(sessionId, first);
      const kept = startingBefore.all(sessionId, first).map((row) => {
        const blocks = extentOf.get(sessionId, row.message_id)?.blocks ?? 0;
        return { ...row, blocks };
      });
      // From the last on: its number is free.
      for (const [back, row] of kept.toReversed().entries()) write({ ...row, number: next - 1 - back });
    },
  };
}

/** Messages of subagents belong to the work of a tool. The text is searched before it is parsed, since it can be long. */
const isConversation = ({ data }: EventRecord): boolean =>
  !data.includes('"parentToolUseId"') ||
  (JSON.parse(data) as { parentToolUseId?: string }).parentToolUseId === undefined;

function prepareStatements(database: SqliteDatabase) {
  const number = (sql: string) => database.prepare<[string, number], number>(sql).pluck();
  const extentOf = database.prepare<[string, string], { seq: number | null; blocks: number }>(
    'SELECT MIN(seq) AS seq, COUNT(*) AS blocks FROM events INDEXED BY events_by_message WHERE session_id = ? AND message_id = ?',
  );
  const byId = database.prepare<[string, string], MessageRow>(
    'SELECT * FROM messages WHERE session_id = ? AND message_id = ?',
  );
  const last = database
    .prepare<[string], number>('SELECT number FROM messages WHERE session_id = ? ORDER BY number DESC LIMIT 1')
    .pluck();
  const insert = database.prepare(insertInto('messages'));
  /** To be called for a message that has no row. */
  const append = (
    session_id: SessionId,
    message_id: string,
    { seq, blocks }: { seq: number; blocks: number },
  ): void => {
    const row: MessageRow = { session_id, number: (last.get(session_id) ?? 0) + 1, message_id, seq, blocks };
    insert.run(summedValues('messages', row));
  };
  return {
    byId,
    extentOf,
    append,
    /** Adds the message, with all events that it has, unless it has a row. */
    add: (session_id: SessionId, message_id: string): void => {
      if (byId.get(session_id, message_id)) return;
      const { seq, blocks } = extentOf.get(session_id, message_id) ?? { seq: null, blocks: 0 };
      if (seq !== null) append(session_id, message_id, { seq, blocks });
    },
    update: database.prepare(
      `UPDATE messages SET number = @number, blocks = @blocks, sum = @sum
       WHERE session_id = @session_id AND message_id = @message_id`,
    ),
    firstAfter: number('SELECT number FROM messages WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT 1'),
    lastBefore: number('SELECT number FROM messages WHERE session_id = ? AND seq < ? ORDER BY seq DESC LIMIT 1'),
    range: database.prepare<[string, number, number], MessageRow>(
      'SELECT * FROM messages WHERE session_id = ? AND number BETWEEN ? AND ? ORDER BY number',
    ),
    isComplete: database.prepare<[string], unknown>('SELECT 1 FROM indexed_sessions WHERE session_id = ?'),
    markComplete: database.prepare<[string]>('INSERT OR IGNORE INTO indexed_sessions (session_id) VALUES (?)'),
    lastSeq: database.prepare<[string], number | null>('SELECT MAX(seq) FROM messages WHERE session_id = ?').pluck(),
    following: database.prepare<[string, number, number], MessageEvent>(
      `SELECT seq, message_id, data ->> 'parentToolUseId' AS parent FROM events INDEXED BY events_by_seq
       WHERE session_id = ? AND seq > ? AND message_id IS NOT NULL ORDER BY seq LIMIT ?`,
    ),
  };
}

function prepareTrimming(database: SqliteDatabase) {
  return {
    /** One statement for all: a long turn has thousands at a time. */
    removeEmpty: database.prepare(
      `DELETE FROM messages WHERE session_id = ? AND seq < ? AND NOT EXISTS (
         SELECT 1 FROM events INDEXED BY events_by_message
         WHERE events.session_id = messages.session_id AND events.message_id = messages.message_id)`,
    ),
    maxBefore: database
      .prepare<[string, number], number | null>('SELECT MAX(number) FROM messages WHERE session_id = ? AND seq < ?')
      .pluck(),
    startingBefore: database.prepare<[string, number], MessageRow>(
      'SELECT * FROM messages WHERE session_id = ? AND seq < ? ORDER BY number',
    ),
    firstFrom: database
      .prepare<[string, number], number>(
        'SELECT number FROM messages WHERE session_id = ? AND seq >= ? ORDER BY seq LIMIT 1',
      )
      .pluck(),
  };
}
