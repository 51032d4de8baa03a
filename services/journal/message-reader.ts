import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { EventData } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Journal } from '../ports/journal.js';
import type { MessageRecord } from '../ports/records.js';
import type { DamageGuard } from './damage-guard.js';
import type { Extents } from './extents.js';
import { JournalDamaged } from './journal-damaged.js';
import type { RowCheck } from './row-sums.js';
import type { EventRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';
import { Batch, TimeSlice } from './time-slice.js';

interface MessageStart {
  messageId: string;
  seq: number;
}

interface BlockEntry {
  message_id: string;
  seq: number;
  /** Not NULL for messages of subagents. */
  parent: string | null;
}

export interface MessageReaderOptions {
  database: SqliteDatabase;
  check: RowCheck;
  guard: DamageGuard;
  extents: Extents;
}

/**
 * Reads whole messages: the events that share a message id, placed at the first of them. Messages of subagents are left
 * out: they belong to a tool's work, not to the conversation. No other events have a message id. The query does not
 * filter by type, so that a row with an altered type is detected when it is read.
 *
 * Scans all blocks of the session once, then reads the messages of the page; yields to other work every few
 * milliseconds.
 */
export function createMessageReader(options: MessageReaderOptions): Journal['readMessages'] {
  const { database, guard } = options;
  const readStarts = createStartsReader(options);
  const messageOf = prepareMessageOf(options);
  const requireIndexed = prepareIndexCheck(database);
  const readAll = async (sessionId: SessionId, starts: readonly MessageStart[], bytes = Number.POSITIVE_INFINITY) => {
    const messages: MessageRecord[] = [];
    const slice = new TimeSlice();
    let size = 0;
    for (const start of starts) {
      const found = guard.run(() => messageOf(sessionId, start));
      if (found) messages.push(found.message);
      size += found?.size ?? 0;
      if (size > bytes) break;
      await slice.end();
    }
    return messages;
  };
  return async ({
    sessionId,
    limit,
    offset,
    before = Number.MAX_SAFE_INTEGER,
    after = 0,
    bytes,
    backwards = false,
  }) => {
    guard.run(() => requireIndexed(sessionId));
    const all = await readStarts(sessionId);
    const inRange = all.filter(({ seq }) => seq > after && seq < before);
    const asked = (backwards ? inRange.toReversed() : inRange).slice(offset, offset + limit);
    const messages = await readAll(sessionId, asked, bytes);
    return { messages: backwards ? messages.reverse() : messages, total: inRange.length, hasBegun: all.length > 0 };
  };
}

/** The first event of each message, in session order. */
function createStartsReader({ database, guard }: MessageReaderOptions) {
  const following = database.prepare<[string, string, number, number], BlockEntry>(
    `SELECT message_id, seq, data ->> 'parentToolUseId' AS parent FROM events INDEXED BY events_by_message
     WHERE session_id = ? AND (message_id, seq) > (?, ?) AND message_id IS NOT NULL ORDER BY message_id, seq LIMIT ?`,
  );
  return async (sessionId: SessionId): Promise<MessageStart[]> => {
    const starts = new Map<string, number>();
    const batch = new Batch();
    let place = { message_id: '', seq: -1 };
    for (let isDone = false; !isDone; await turnOfOthers()) {
      const from = place;
      const { size } = batch;
      const rows = batch.timed(() => guard.run(() => following.all(sessionId, from.message_id, from.seq, size)));
      for (const { message_id: id, seq, parent } of rows) if (parent === null && !starts.has(id)) starts.set(id, seq);
      place = rows.at(-1) ?? place;
      isDone = rows.length < size;
    }
    return [...starts].map(([messageId, seq]) => ({ messageId, seq })).sort((a, b) => a.seq - b.seq);
  };
}

function prepareMessageOf({ database, check, extents }: MessageReaderOptions) {
  const blocks = database.prepare<[string, string], EventRow>(
    `SELECT * FROM events WHERE session_id = ? AND message_id = ? ORDER BY seq`,
  );
  return (sessionId: SessionId, { messageId, seq }: MessageStart) => {
    const rows = blocks.all(sessionId, messageId).map((row) => check('events', row));
    const isThere = rows[0]?.seq === seq && rows.every((row) => row.message_id === messageId);
    // Retention can have removed it since the lookup.
    if (!isThere && (!extents.has(sessionId) || seq < extents.of(sessionId).first)) return undefined;
    if (!isThere) throw new JournalDamaged('a message is not where the index has it');
    return { message: joinBlocks(messageId, rows), size: rows.reduce((sum, { data }) => sum + data.length, 0) };
  };
}

/** Reads backwards until it has found the beginnings of enough messages. */
export function createNewestReader(database: SqliteDatabase, check: RowCheck) {
  const backwards = database.prepare<[string], EventRow>(
    `SELECT * FROM events INDEXED BY events_by_seq
     WHERE session_id = ? AND message_id IS NOT NULL AND data ->> 'parentToolUseId' IS NULL ORDER BY seq DESC`,
  );
  return (sessionId: SessionId, limit: number): MessageRecord[] => {
    const blocks = new Map<string, EventRow[]>();
    for (const row of backwards.iterate(sessionId)) {
      const id = check('events', row).message_id ?? '';
      const known = blocks.get(id);
      if (!known && blocks.size === limit) break;
      blocks.set(id, [row, ...(known ?? [])]);
    }
    const messages = [...blocks].map(([id, rows]) => joinBlocks(id, rows));
    return messages.sort((a, b) => a.seq - b.seq);
  };
}

/**
 * An event missing from the index would be lost silently. So the first read of a session's messages also counts them by
 * the other index (5 ms for 10,000 events).
 */
export function prepareIndexCheck(database: SqliteDatabase): (sessionId: string) => void {
  const countBy = (index: string) =>
    database
      .prepare<[string], number>(
        `SELECT COUNT(*) FROM events INDEXED BY ${index} WHERE session_id = ? AND message_id IS NOT NULL`,
      )
      .pluck();
  const [byMessage, bySeq] = [countBy('events_by_message'), countBy('events_by_seq')];
  const counted = new Set<string>();
  return (sessionId) => {
    if (counted.has(sessionId)) return;
    if (byMessage.get(sessionId) !== bySeq.get(sessionId)) throw new JournalDamaged('messages are missing');
    counted.add(sessionId);
  };
}

type MessageBlock = Pick<EventData<'assistantMessage'>, 'content' | 'model' | 'usage' | 'partial'> & {
  blockIndex?: number;
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
