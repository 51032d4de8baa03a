/** What was said in a session: as pages of messages, and of prompts. */

import type {
  HistoryPage,
  ListHistory,
  ListMessages,
  PastPrompt,
  ToldBlock,
  ToldMessage,
} from '../../protocol/history.js';
import { cutText } from '../../protocol/plain-text.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { History, HistoryMessage } from '../../protocol/server-frames.js';
import { nextCursor, readCursor } from '../model/page-cursor.js';
import { tokenCountOf } from '../model/token-count.js';
import type { TurnRecord } from '../ports/journal.js';
import type { MessageRecord, PromptRecord } from '../ports/records.js';
import { historyMessageOf, readHistory } from '../sessions/history.js';
import { PAGE_BUDGET, withoutTools, withTools } from '../sessions/told-messages.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';

interface OfSession {
  caller: Pick<Caller, 'device'>;
  sessionId: SessionId;
}

type MessagePage = Omit<History, 'messages'> & { messages: ToldMessage[]; nextCursor?: string };

/** A page of the messages of a session, with or without what its tools have done. */
export async function listMessages(
  services: CommandServices,
  { caller, sessionId, limit, offset, cursor, before, after, includeToolCalls }: OfSession & ListMessages,
): Promise<MessagePage> {
  const { journal } = services;
  const session = sessionOf(services, caller, sessionId);
  const place = cursor === undefined ? { before, after } : placeOf(readCursor(cursor, journal.epoch));
  const page = await readHistory({ session, journal, range: { limit, offset, ...place } });
  const { messages, hasMore } = page;
  const isBackwards = place.before !== undefined && place.after === undefined;
  const last = (isBackwards ? messages[0] : messages.at(-1))?.seq;
  const next = hasMore && last !== undefined ? { nextCursor: cursorOf(last, isBackwards, journal.epoch) } : {};
  return { ...page, messages: await shownMessages({ journal, sessionId, messages, includeToolCalls }), ...next };
}

// A cursor is one number: the seq, and whether its pages go back.

const cursorOf = (seq: number, isBackwards: boolean, epoch: string): string =>
  nextCursor(seq * 2 + Number(isBackwards), epoch);

const placeOf = (number: number): { before?: number; after?: number } =>
  number % 2 === 1 ? { before: (number - 1) / 2 } : { after: number / 2 };

interface Shown {
  journal: CommandServices['journal'];
  sessionId: SessionId;
  messages: HistoryMessage[];
  includeToolCalls: ListMessages['includeToolCalls'];
}

async function shownMessages({ includeToolCalls, ...page }: Shown): Promise<ToldMessage[]> {
  if (includeToolCalls === undefined) return page.messages;
  return includeToolCalls === 'false' ? withoutTools(page.messages) : withTools({ ...page, budget: PAGE_BUDGET });
}

/** Of a prompt and of its answer, in UTF-16 units; `…/messages` has the whole. */
const MAX_TEXT = 8192;
/** Messages of one turn, and characters of all tools of a page. */
const TURN_MESSAGES = 50;
const MAX_TOOL_CHARACTERS = 512 * 1024;

/** A page of the prompts of a session that have begun, newest first, those of a terminal included. */
export async function listHistory(
  services: CommandServices,
  { caller, sessionId, limit, offset, cursor, includeToolCalls }: OfSession & ListHistory,
): Promise<HistoryPage> {
  const { journal } = services;
  sessionOf(services, caller, sessionId);
  const before = cursor === undefined ? {} : { before: readCursor(cursor, journal.epoch) };
  const { turns, total } = await journal.readTurns({ sessionId, limit: limit + 1, offset: offset ?? 0, ...before });
  const shown = turns.slice(0, limit);
  const last = turns.length > limit ? shown.at(-1) : undefined;
  const prompts = shown.map((turn) => pastPrompt(journal, turn));
  if (includeToolCalls === 'true') await addToolCalls({ journal, sessionId, turns: shown, prompts });
  return {
    prompts,
    total,
    limit,
    ...(cursor === undefined && { offset: offset ?? 0 }),
    hasMore: last !== undefined,
    ...(last && { nextCursor: nextCursor(last.turn, journal.epoch) }),
  };
}

const STATUSES: Readonly<Record<PromptRecord['state'], PastPrompt['status']>> = {
  queued: 'queued',
  dispatching: 'processing',
  processing: 'processing',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
};

function pastPrompt(journal: CommandServices['journal'], { message, response }: TurnRecord): PastPrompt {
  const { id: messageId, seq, at, promptId = messageId } = message;
  // One that was typed in a terminal has no record.
  const record = journal.findPrompt(promptId as PromptId);
  const text = textOf(message);
  const said = record?.outcome?.finalResult ?? (record || !response ? undefined : textOf(response));
  const isCut = text.length > MAX_TEXT || (said?.length ?? 0) > MAX_TEXT;
  return {
    id: promptId,
    prompt: cutText(text, MAX_TEXT),
    ...answerOf(record, said === undefined ? undefined : cutText(said, MAX_TEXT)),
    status: record ? STATUSES[record.state] : 'completed',
    metadata: { messageId, seq, ...outcomeOf(record), ...(isCut && { truncated: true }) },
    createdAt: new Date(record?.createdAt ?? at).toISOString(),
    ...endedAt(record, response),
  };
}

function answerOf(record: PromptRecord | undefined, said: string | undefined): Pick<PastPrompt, 'response' | 'error'> {
  if (said === undefined) return {};
  const { isError = false, subtype = '' } = record?.outcome ?? {};
  return isError ? { error: said || subtype } : { response: said };
}

function outcomeOf(record: PromptRecord | undefined): Partial<PastPrompt['metadata']> {
  if (!record) return {};
  const { device, outcome } = record;
  const tokenCount = tokenCountOf(outcome?.usage);
  return {
    deviceId: device.deviceId,
    ...(outcome && { subtype: outcome.subtype, duration: outcome.durationMs }),
    ...(tokenCount !== undefined && { tokenCount }),
    ...(outcome?.cost !== undefined && { cost: outcome.cost }),
  };
}

function endedAt(record: PromptRecord | undefined, response: MessageRecord | undefined) {
  const at = record ? record.endedAt : response?.at;
  return at === undefined ? {} : { completedAt: new Date(at).toISOString() };
}

const textOf = ({ content }: Pick<MessageRecord, 'content'>): string =>
  content.flatMap((block) => (block.type === 'text' && 'text' in block ? (block.text ?? '') : [])).join('\n');

interface PastTurns {
  journal: CommandServices['journal'];
  sessionId: SessionId;
  turns: readonly TurnRecord[];
  prompts: readonly PastPrompt[];
}

/** The tools of each turn, with their subagents, as far as a page has room for them. */
async function addToolCalls({ journal, sessionId, turns, prompts }: PastTurns): Promise<void> {
  let room = MAX_TOOL_CHARACTERS;
  for (const [index, { message, end }] of turns.entries()) {
    const metadata = prompts[index]?.metadata;
    if (!metadata) return;
    const range = {
      sessionId,
      offset: 0,
      limit: TURN_MESSAGES,
      after: message.seq,
      ...(end !== undefined && { before: end }),
    };
    const { messages, total } = await journal.readMessages({ ...range, bytes: room });
    const told = await withTools({ journal, sessionId, messages: messages.map(historyMessageOf), budget: PAGE_BUDGET });
    metadata.toolCalls = told.flatMap(({ content }) => content.flatMap(callOf));
    room -= JSON.stringify(metadata.toolCalls).length;
    const isCut = total > messages.length || told.some(({ toolsTruncated }) => toolsTruncated);
    if (isCut || room <= 0) metadata.truncated = true;
    if (room <= 0) return;
  }
}

type PastCall = NonNullable<PastPrompt['metadata']['toolCalls']>[number];

function callOf(block: ToldBlock): PastCall[] {
  if (!('name' in block) || !('id' in block)) return [];
  const { id, name: tool, input: params, result, subagent } = block;
  const { text, ...came } = result ?? {};
  return [{ id, tool, params, ...came, ...(text !== undefined && { result: text }), ...(subagent && { subagent }) }];
}
