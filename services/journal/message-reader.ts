import type { EventData } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Journal } from '../ports/journal.js';
import type { MessageRecord } from '../ports/records.js';
import type { Extents } from './extents.js';
import { JournalDamaged } from './journal-damaged.js';
import { MessageIndex, type MessageIndexOptions, type MessageRow, type MessageSpan } from './message-index.js';
import type { EventRow } from './rows.js';
import { TimeSlice } from './time-slice.js';

export interface MessageReaderOptions extends MessageIndexOptions {
  extents: Extents;
}

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
export function createMessageReader(
  options: MessageReaderOptions,
): Pick<Journal, 'readMessages' | 'readNewestMessages'> {
  const { guard, extents } = options;
  const index = new MessageIndex(options);
  const messageOf = prepareMessageOf(options);
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
  };
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

function prepareMessageOf({ database, check, extents }: MessageReaderOptions) {
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
