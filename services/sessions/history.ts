import type { ClientData } from '../../protocol/client-frames.js';
import { MAX_HISTORY_PAGE_BYTES } from '../../protocol/limits.js';
import { cutText } from '../../protocol/plain-text.js';
import type { History, HistoryMessage } from '../../protocol/server-frames.js';
import type { Journal } from '../ports/journal.js';
import type { MessageRecord } from '../ports/records.js';
import type { Session } from './session.js';

const DEFAULT_LIMIT = 50;
/** Space for the envelope around the messages of a page. */
const ENVELOPE_BYTES = 2048;
/** Bytes read for a page: events are shown only in part. */
const READ_BYTES = 2 * MAX_HISTORY_PAGE_BYTES;

export interface HistoryRequest {
  session: Session;
  journal: Journal;
  range: Omit<ClientData<'getMessageHistory'>, 'sessionId'>;
}

/**
 * A page of a session's messages, oldest first, of at most 256 KiB. From the beginning or after a seq, `offset` counts
 * forward; before a seq the page contains the newest ones, and `offset` counts back.
 */
export async function readHistory({ session, journal, range }: HistoryRequest): Promise<History> {
  const { limit = DEFAULT_LIMIT, offset = 0, before, after } = range;
  const bounds = {
    sessionId: session.id,
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
  };
  const backwards = before !== undefined && after === undefined;
  const asked = { ...bounds, limit, offset, backwards, bytes: READ_BYTES };
  const { messages, total, hasBegun } = await journal.readMessages(asked);
  const page = fitPage(messages.map(historyMessageOf), backwards);
  const { record } = session.state;
  return {
    success: true,
    sessionId: session.id,
    messages: page,
    totalCount: total,
    offset,
    limit,
    hasMore: offset + page.length < total,
    sessionMetadata: {
      workingDirectory: record.directory,
      conversationStarted: hasBegun,
      createdAt: record.createdAt,
      lastActivity: record.lastActivity,
    },
    timestamp: new Date().toISOString(),
  };
}

/** The last messages that fit in a page. */
export const newestPage = (messages: MessageRecord[]): HistoryMessage[] =>
  fitPage(messages.map(historyMessageOf), true);

/** A message as a history shows it. */
export const historyMessageOf = ({
  id,
  type,
  seq,
  at,
  content,
  model,
  usage,
  promptId,
}: MessageRecord): HistoryMessage => ({
  id,
  type,
  content,
  timestamp: new Date(at).toISOString(),
  ...(model !== undefined && { model }),
  ...(usage && { usage }),
  ...(promptId !== undefined && { promptId }),
  seq,
});

/** As many whole messages as fit; the first one is always included, its texts cut if necessary. */
function fitPage(messages: HistoryMessage[], backwards: boolean): HistoryMessage[] {
  const page: HistoryMessage[] = [];
  let room = MAX_HISTORY_PAGE_BYTES - ENVELOPE_BYTES;
  for (const message of backwards ? messages.toReversed() : messages) {
    const bytes = Buffer.byteLength(JSON.stringify(message));
    if (bytes > room && page.length > 0) break;
    page.push(bytes > room ? cutTexts(message, room) : message);
    room -= bytes;
  }
  return backwards ? page.reverse() : page;
}

function cutTexts(message: HistoryMessage, room: number): HistoryMessage {
  const kept = Math.floor(room / 4 / Math.max(1, message.content.length));
  const content = message.content.map((block) => {
    if ('text' in block && typeof block.text === 'string') return { ...block, text: cutText(block.text, kept) };
    return 'input' in block ? { ...block, input: {} } : block;
  });
  return { ...message, content, truncated: true };
}
