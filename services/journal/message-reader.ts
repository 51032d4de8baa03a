import type { EventData } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Journal, MessageRange } from '../ports/journal.js';
import type { MessageRecord } from '../ports/records.js';
import { JournalDamaged } from './journal-damaged.js';
import type { RowCheck } from './row-sums.js';
import type { EventRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface MessageStart {
  message_id: string;
  seq: number;
}

/**
 * Reads whole messages: the events that share a message id, placed where the first of them stands.
 * Messages of subagents are left out: they are part of a tool's work, not of the conversation. No other events have a
 * message id: the type is not asked for, so that a row in which it was altered is found out when it is read.
 */
export function createMessageReader(database: SqliteDatabase, check: RowCheck) {
  const inRange = `FROM events WHERE session_id = @sessionId AND message_id IS NOT NULL AND data ->> 'parentToolUseId' IS NULL
    GROUP BY message_id HAVING MIN(seq) > @after AND MIN(seq) < @before`;
  const starts = database.prepare<[object], MessageStart>(
    `SELECT message_id, MIN(seq) AS seq ${inRange} ORDER BY MIN(seq) LIMIT @limit OFFSET @offset`,
  );
  const count = database.prepare<[object], number>(`SELECT COUNT(*) FROM (SELECT 1 ${inRange})`).pluck();
  const blocks = database.prepare<[string, string], EventRow>(
    `SELECT * FROM events WHERE session_id = ? AND message_id = ? ORDER BY seq`,
  );
  const blocksOf = (sessionId: string, { message_id, seq }: MessageStart): EventRow[] => {
    const rows = blocks.all(sessionId, message_id).map((row) => check('events', row));
    const isThere = rows[0]?.seq === seq && rows.every((row) => row.message_id === message_id);
    if (!isThere) throw new JournalDamaged('a message is not where the index has it');
    return rows;
  };
  const requireIndexed = prepareIndexCheck(database);
  return (range: MessageRange): Awaited<ReturnType<Journal['readMessages']>> => {
    const { sessionId, limit, offset, before = Number.MAX_SAFE_INTEGER, after = 0 } = range;
    const bounds = { sessionId, before, after, limit, offset };
    requireIndexed(sessionId);
    const messages = starts.all(bounds).map((start) => joinBlocks(start.message_id, blocksOf(sessionId, start)));
    return { messages, total: count.get(bounds) ?? 0 };
  };
}

/** Reads backwards until it has seen enough messages begin. */
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
 * An event that the index has lost would be missing without a word. So where messages of a session are read for the
 * first time, they are counted by the other index too (5 ms for 10,000 events).
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

/** A block of which only a part was known at first, and that was said again as a whole, takes the place of that part. */
function putBlock(blocks: MessageBlock[], block: MessageBlock): void {
  const part = blocks.findIndex(({ blockIndex, partial }) => partial && blockIndex === block.blockIndex);
  if (part === -1) blocks.push(block);
  else blocks[part] = block;
}
