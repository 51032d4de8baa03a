import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { EventData } from '../../../protocol/events.js';
import { foreignOf } from '../../../protocol/foreign-ids.js';
import type { KnownBlock, KnownContent, KnownContentQuery, MessageStore } from '../../ports/journal.js';
import { JournalDamaged } from '../damage/damage-guard.js';
import type { Sources } from './event-log.js';
import type { EventRow } from './rows.js';
import type { SqliteDatabase } from './sqlite-database.js';

/** Per batch, so that other work does not wait long. */
const BATCH_EVENTS = 500;

/** Finds messages by their index. Tool results have no index, so tools are found by reading on from a position. */
export function createKnownContentReader(sources: Sources): MessageStore['findKnownContent'] {
  const { guard } = sources;
  const findMessages = prepareFindMessages(sources);
  const readTools = prepareReadTools(sources);
  return async (query) => {
    const messages = guard.run(() => findMessages(query));
    const asked = new Set(query.toolIds);
    const found = { toolUse: new Set<string>(), toolResult: new Set<string>() };
    const take = (after: number): number | undefined => {
      const rows = readTools(query.sessionId, after);
      for (const { type, toolId } of rows) if (asked.has(foreignOf(toolId))) found[type].add(toolId);
      return rows.length < BATCH_EVENTS ? undefined : rows.at(-1)?.seq;
    };
    for (let after = asked.size > 0 ? query.toolsAfter : undefined; after !== undefined; await turnOfOthers()) {
      const from = after;
      after = guard.run(() => take(from));
    }
    return { messages, toolUses: found.toolUse, toolResults: found.toolResult };
  };
}

function prepareFindMessages({ database, check }: Sources): (query: KnownContentQuery) => KnownContent['messages'] {
  const blocks = database.prepare<[string, string], EventRow>(
    `SELECT * FROM events INDEXED BY events_by_message WHERE session_id = ? AND message_id = ? ORDER BY seq`,
  );
  // Messages whose own ids contain this one.
  const owned = database.prepare<[string, string, string], EventRow>(
    `SELECT * FROM events INDEXED BY events_by_message
     WHERE session_id = ? AND message_id > ? AND message_id < ? ORDER BY message_id, seq`,
  );
  const requireIndexed = prepareIndexCheck(database);
  return ({ sessionId, messageIds, toolsAfter }) => {
    requireIndexed(sessionId);
    const found: KnownContent['messages'] = new Map();
    for (const id of new Set(messageIds.map(foreignOf))) {
      const rows = [...blocks.all(sessionId, id), ...owned.all(sessionId, `${id}~`, `${id}~g`)];
      for (const row of rows) {
        const { message_id: messageId, seq, data } = check('events', row);
        if (messageId === null || foreignOf(messageId) !== id)
          throw new JournalDamaged('an index leads to another row');
        found.set(messageId, [...(found.get(messageId) ?? []), { ...blockOf(data), isLate: seq > toolsAfter }]);
      }
    }
    return found;
  };
}

function blockOf(data: string): KnownBlock {
  const { blockIndex, content, partial, truncated } = JSON.parse(data) as Partial<EventData<'assistantMessage'>>;
  return {
    ...(blockIndex !== undefined && { blockIndex }),
    content: content ?? [],
    partial: partial ?? false,
    ...(truncated && { isCut: true }),
  };
}

interface ToolRow {
  seq: number;
  type: 'toolUse' | 'toolResult';
  toolId: string;
}

function prepareReadTools({ database, check }: Sources): (sessionId: string, after: number) => ToolRow[] {
  const following = database.prepare<[string, number], EventRow>(
    `SELECT * FROM events INDEXED BY events_by_seq
     WHERE session_id = ? AND seq > ? AND type IN ('toolUse', 'toolResult') ORDER BY seq LIMIT ${BATCH_EVENTS}`,
  );
  return (sessionId, after) =>
    following.all(sessionId, after).map((row) => {
      const { seq, type, data } = check('events', row);
      const { toolId } = JSON.parse(data) as { toolId: string };
      return { seq, type: type as ToolRow['type'], toolId };
    });
}

/**
 * An event missing from the index would be lost silently. So the first read of a session's messages also counts them by
 * the other index (5 ms for 10,000 events).
 */
function prepareIndexCheck(database: SqliteDatabase): (sessionId: string) => void {
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
