import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { EventData } from '../../../protocol/events.js';
import { isStorageError } from '../../../protocol/failures.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { MessageStart } from '../../ports/claude.js';
import type { MessageStore, TurnRange, TurnRecord } from '../../ports/journal.js';
import type { MessageRecord } from '../../ports/records.js';
import { type DamageGuard, JournalDamaged } from '../damage/damage-guard.js';
import type { Sources } from './event-log.js';
import { createKnownContentReader } from './known-content.js';
import { insertInto, type RowCheck, summedValues, withSum } from './row-sums.js';
import type { EventRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** Rows of the index, and the stretch of events that it covered when they were read. */
interface Found {
  rows: MessageRow[];
  first: number;
  last: number;
}

/**
 * Reads whole messages: the events that share a message id, placed at the first of them. Messages of subagents are left
 * out: they belong to a tool's work, not to the conversation. No other events have a message id. Yields to other work
 * every few milliseconds.
 */
export function createMessageStore(sources: Sources): MessageStore {
  const { guard, extents } = sources;
  const index = new MessageIndex(sources);
  const isTaken = prepareIsTaken(sources);
  const messageOf = prepareMessageOf(sources);
  const find = (sessionId: SessionId, span: MessageSpan): Found => ({
    rows: index.rowsOf(sessionId, span),
    first: extents.of(sessionId).first,
    last: index.positionOf(sessionId),
  });
  const readAll = async ({ rows, ...covered }: Found, bytes = Number.POSITIVE_INFINITY) => {
    const messages: MessageRecord[] = [];
    const slice = new TimeSlice();
    let size = 0;
    for (const row of rows) {
      const found = guard.run(() => messageOf(row, covered));
      if (found) messages.push(found.message);
      size += found?.size ?? 0;
      if (size > bytes) break;
      await slice.end();
    }
    return messages;
  };
  const everything = { after: 0, before: Number.MAX_SAFE_INTEGER };
  return {
    isMessageTaken: (sessionId, start) => guard.run(() => isTaken(sessionId, start)),
    readMessages: async ({ sessionId, limit, offset, bytes, backwards = false, ...range }) => {
      const { found, total, hasBegun } = await index.read(sessionId, () => {
        const span = index.spanOf(sessionId, { ...everything, ...range });
        const all = index.spanOf(sessionId, everything);
        const page = pageOf(span, { limit, offset, backwards });
        return { found: find(sessionId, page), total: span.count, hasBegun: all.count > 0 };
      });
      const messages = await readAll(backwards ? { ...found, rows: found.rows.toReversed() } : found, bytes);
      return { messages: backwards ? messages.reverse() : messages, total, hasBegun };
    },
    readNewestMessages: async (sessionId, limit) => {
      const found = await index.read(sessionId, () => {
        const all = index.spanOf(sessionId, everything);
        return find(sessionId, pageOf(all, { limit, offset: 0, backwards: true }));
      });
      return readAll(found);
    },
    readTurns: createTurnReader({ index, extents, readAll }),
    findKnownContent: createKnownContentReader(sources),
  };
}

interface TurnSources extends Pick<Sources, 'extents'> {
  index: MessageIndex;
  readAll: (found: Found) => Promise<MessageRecord[]>;
}

const createTurnReader =
  ({ index, extents, readAll }: TurnSources): MessageStore['readTurns'] =>
  async ({ sessionId, ...range }) => {
    const { turns, total, ...covered } = await index.read(sessionId, () => ({
      ...index.turnsOf(sessionId, range),
      first: extents.of(sessionId).first,
      last: index.positionOf(sessionId),
    }));
    const read: TurnRecord[] = [];
    for (const { turn, row, last, end } of turns) {
      const rows = last && last.seq !== row.seq ? [row, last] : [row];
      const [message, response] = await readAll({ rows, ...covered });
      if (message) read.push({ turn, message, ...(response && { response }), ...(end !== undefined && { end }) });
    }
    return { turns: read, total };
  };

function prepareIsTaken({ database }: Sources) {
  const message = database
    .prepare<[object], number>(
      `SELECT 1 FROM events INDEXED BY events_by_message WHERE session_id = @sessionId AND message_id = @messageId
       AND (child_id IS NOT @childId OR line_offset < @offset OR (data ->> 'parentToolUseId' IS NULL) <> @isMain) LIMIT 1`,
    )
    .pluck();
  return (sessionId: SessionId, { parentToolUseId, ...start }: MessageStart): boolean =>
    message.get({ sessionId, isMain: Number(parentToolUseId === undefined), ...start }) !== undefined;
}

interface Page {
  limit: number;
  offset: number;
  backwards: boolean;
}

/** From the beginning of a span, or backwards from its end. */
function pageOf({ first, count }: MessageSpan, { limit, offset, backwards }: Page): MessageSpan {
  const length = Math.max(0, Math.min(limit, count - offset));
  return { first: backwards ? first + count - offset - length : first + offset, count: length };
}

function prepareMessageOf({ database, check, extents }: Sources) {
  const blocks = database.prepare<[string, string, number], EventRow>(
    `SELECT * FROM events WHERE session_id = ? AND message_id = ? AND seq >= ? ORDER BY seq`,
  );
  return ({ session_id, message_id, ...row }: MessageRow, covered: { first: number; last: number }) => {
    const rows = blocks.all(session_id, message_id, row.seq).map((one) => check('events', one));
    const { first } = extents.of(session_id as SessionId);
    // Retention can have removed the message, or its beginning, since the lookup.
    const isTrimmed = first !== covered.first && row.seq < first;
    const isWhole = isTrimmed || rows.filter(({ seq }) => seq <= covered.last).length === row.blocks;
    if (!isWhole || rows.some((one) => one.message_id !== message_id || one.seq < row.seq)) {
      throw new JournalDamaged('a message is not where the index has it');
    }
    if (rows.length === 0) return undefined;
    return { message: joinBlocks(message_id, rows), size: rows.reduce((sum, { data }) => sum + data.length, 0) };
  };
}

type MessageBlock = Pick<EventData<'assistantMessage'>, 'content' | 'model' | 'usage' | 'partial'> & {
  blockIndex?: number;
  promptId?: string;
};

function joinBlocks(id: string, rows: EventRow[]): MessageRecord {
  const isHuman = rows[0]?.type === 'humanMessage';
  const { seq = 0, at = 0 } = rows[0] ?? {};
  const message: MessageRecord = { id, type: isHuman ? 'user' : 'assistant', seq, at, content: [] };
  const blocks: MessageBlock[] = [];
  for (const { data } of rows) {
    const block = JSON.parse(data) as MessageBlock;
    putBlock(blocks, block);
    if (block.model !== undefined) message.model = block.model;
    if (block.usage !== undefined) message.usage = block.usage;
    if (block.promptId !== undefined) message.promptId = block.promptId;
  }
  message.content = blocks.flatMap(({ content }) => content);
  return message;
}

/** A block that was first partial and then repeated as a whole replaces the partial one. */
function putBlock(blocks: MessageBlock[], block: MessageBlock): void {
  const part = blocks.findIndex(({ blockIndex, partial }) => partial && blockIndex === block.blockIndex);
  if (part === -1) blocks.push(block);
  else blocks[part] = block;
}

/**
 * A message of the conversation: its number in the session, without gaps; the seq where it begins, or where it began
 * before retention removed its first events; the number of its events that are left.
 */
interface MessageRow {
  session_id: string;
  number: number;
  message_id: string;
  seq: number;
  blocks: number;
  /** Of a person's message: its number among those, without gaps. */
  turn: number | null;
}

/** Part of the messages of a session, by number; `count` messages from `first` on. */
interface MessageSpan {
  first: number;
  count: number;
}

interface FoundTurns {
  turns: { turn: number; row: MessageRow; last: MessageRow | undefined; end: number | undefined }[];
  total: number;
}

interface MessageEvent {
  isHuman: 0 | 1;
  seq: number;
  message_id: string;
  parent: string | null;
}

const FEWEST_ROWS = 1;
const UNWRITTEN_ROWS = 1000;

/**
 * The messages of a session, in order: a page of history costs the page, at any length. The table is derived from the
 * events, and follows them when a history is read, in slices of a millisecond: an event costs nothing here when it is
 * written, and nothing at all in a session whose history is not read.
 */
class MessageIndex {
  readonly #database: SqliteDatabase;
  readonly #check: RowCheck;
  readonly #guard: DamageGuard;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #position: ReturnType<typeof preparePosition>;
  readonly #advanceDurably: (sessionId: SessionId, size: number) => boolean;

  constructor({ database, check, guard }: Sources) {
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

  /** The turns of people, newest first, each with its last message; and the number of all. */
  turnsOf(sessionId: SessionId, { limit, offset, before }: Omit<TurnRange, 'sessionId'>): FoundTurns {
    const { firstTurn, lastTurn } = this.#statements;
    const [first, last] = [firstTurn.get(sessionId), lastTurn.get(sessionId)];
    if (first === undefined || last === undefined) return { turns: [], total: 0 };
    const newest = Math.min(last, (before ?? last + 1) - 1) - offset;
    const oldest = Math.max(first, newest - limit + 1);
    // The turn after the newest says where that ends.
    const rows = this.#statements.turns.all(sessionId, oldest, newest + 1).map((row) => this.#check('messages', row));
    const turns = rows.flatMap((row, index) => {
      if (row.turn === null || row.turn > newest) return [];
      const next = rows[index - 1];
      return [{ turn: row.turn, row, last: this.#lastOf(sessionId, next), end: next?.seq }];
    });
    if (turns.length !== Math.max(0, newest - oldest + 1)) throw new JournalDamaged('turns are missing');
    return { turns, total: last - first + 1 };
  }

  /** The last message before the next turn. */
  #lastOf(sessionId: SessionId, next: MessageRow | undefined): MessageRow | undefined {
    const { last, numbered } = this.#statements;
    const number = next === undefined ? last.get(sessionId) : next.number - 1;
    const row = number === undefined ? undefined : numbered.get(sessionId, number);
    return row && this.#check('messages', row);
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
  #add(session_id: SessionId, { message_id, seq, parent, isHuman }: MessageEvent): void {
    const { byId, last, lastTurn, insert, update } = this.#statements;
    const known = byId.get(session_id, message_id);
    if (known) {
      const row = this.#check('messages', known);
      update.run(withSum('messages', { ...row, blocks: row.blocks + 1 }));
    } else if (parent === null) {
      const number = (last.get(session_id) ?? 0) + 1;
      const turn = isHuman ? (lastTurn.get(session_id) ?? 0) + 1 : null;
      insert.run(summedValues('messages', { session_id, number, message_id, seq, blocks: 1, turn }));
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
  const turnAt = (order: 'ASC' | 'DESC') =>
    database
      .prepare<[string], number>(
        `SELECT turn FROM messages WHERE session_id = ? AND turn IS NOT NULL ORDER BY turn ${order} LIMIT 1`,
      )
      .pluck();
  return {
    byId: database.prepare<[string, string], MessageRow>(
      'SELECT * FROM messages WHERE session_id = ? AND message_id = ?',
    ),
    last: database
      .prepare<[string], number>('SELECT number FROM messages WHERE session_id = ? ORDER BY number DESC LIMIT 1')
      .pluck(),
    firstTurn: turnAt('ASC'),
    lastTurn: turnAt('DESC'),
    turns: database.prepare<[string, number, number], MessageRow>(
      'SELECT * FROM messages WHERE session_id = ? AND turn BETWEEN ? AND ? ORDER BY turn DESC',
    ),
    numbered: database.prepare<[string, number], MessageRow>(
      'SELECT * FROM messages WHERE session_id = ? AND number = ?',
    ),
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
      `SELECT seq, message_id, type = 'humanMessage' AS isHuman, data ->> 'parentToolUseId' AS parent FROM events INDEXED BY events_by_seq
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

/** How long work runs before it yields, in milliseconds. */
const SLICE_MS = 1;
const FIRST_ROWS = 64;
const MIN_ROWS = 8;
const MAX_ROWS = 2048;

/** Cuts incremental work into slices. */
class TimeSlice {
  #begunAt = performance.now();

  /** Yields when this slice has lasted long enough. */
  async end(): Promise<void> {
    if (performance.now() - this.#begunAt < SLICE_MS) return;
    await turnOfOthers();
    this.#begunAt = performance.now();
  }
}

/** The number of rows per read: as many as fit in a slice, adapted on the way. */
class Batch {
  #size = FIRST_ROWS;
  readonly #fewest: number;

  /** `fewest`: the smallest number of rows per read. */
  constructor(fewest = MIN_ROWS) {
    this.#fewest = fewest;
  }

  get size(): number {
    return this.#size;
  }

  timed<T>(read: () => T): T {
    const begunAt = performance.now();
    const result = read();
    const tookMs = performance.now() - begunAt;
    if (tookMs > SLICE_MS) this.#size = Math.max(this.#fewest, Math.floor(this.#size / 2));
    else if (tookMs < SLICE_MS / 2) this.#size = Math.min(MAX_ROWS, this.#size * 2);
    return result;
  }
}
