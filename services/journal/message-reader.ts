import type { EventData } from '../../protocol/events.js';
import type { Journal, MessageRange } from '../ports/journal.js';
import type { MessageRecord } from '../ports/records.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface MessageStart {
  message_id: string;
  seq: number;
}

interface MessageBlock {
  seq: number;
  type: string;
  at: number;
  data: string;
}

/**
 * Reads whole messages: the events that share a message id, placed where the first of them stands.
 * Messages of subagents are left out: they are part of a tool's work, not of the conversation.
 */
export function createMessageReader(database: SqliteDatabase): Journal['readMessages'] {
  const inRange = `FROM events WHERE session_id = @sessionId AND message_id IS NOT NULL
    AND type IN ('humanMessage', 'assistantMessage') AND data ->> 'parentToolUseId' IS NULL
    GROUP BY message_id HAVING MIN(seq) > @after AND MIN(seq) < @before`;
  const starts = database.prepare<[object], MessageStart>(
    `SELECT message_id, MIN(seq) AS seq ${inRange} ORDER BY MIN(seq) LIMIT @limit OFFSET @offset`,
  );
  const count = database.prepare<[object], number>(`SELECT COUNT(*) FROM (SELECT 1 ${inRange})`).pluck();
  const blocks = database.prepare<[string, string], MessageBlock>(
    `SELECT seq, type, at, data FROM events WHERE session_id = ? AND message_id = ? ORDER BY seq`,
  );
  return async (range: MessageRange) => {
    const { sessionId, limit, offset, before = Number.MAX_SAFE_INTEGER, after = 0 } = range;
    const bounds = { sessionId, before, after, limit, offset };
    const messages = starts
      .all(bounds)
      .map(({ message_id, seq }) => joinBlocks({ id: message_id, seq, blocks: blocks.all(sessionId, message_id) }));
    return { messages, total: count.get(bounds) ?? 0 };
  };
}

function joinBlocks({ id, seq, blocks }: { id: string; seq: number; blocks: MessageBlock[] }): MessageRecord {
  const isHuman = blocks[0]?.type === 'humanMessage';
  const message: MessageRecord = { id, type: isHuman ? 'user' : 'assistant', seq, at: blocks[0]?.at ?? 0, content: [] };
  for (const { data } of blocks) {
    const block = JSON.parse(data) as Pick<EventData<'assistantMessage'>, 'content' | 'model' | 'usage'>;
    message.content.push(...block.content);
    if (block.model !== undefined) message.model = block.model;
    if (block.usage !== undefined) message.usage = block.usage;
  }
  return message;
}
