/** Prompts as they are shown: all of a session, and one with what its turn did. */
import { setImmediate as turnOfOthers } from 'node:timers/promises';
import { cutData, fitsWithin } from '../../protocol/bounded-data.js';
import type { EventData } from '../../protocol/events.js';
import { cutText } from '../../protocol/plain-text.js';
import type { ListPrompts, PromptPage, PromptStatus, PromptView, ToolCall } from '../../protocol/prompts.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import { nextCursor, readCursor } from '../model/page-cursor.js';
import { tokenCountOf } from '../model/token-count.js';
import type { EventRecord, PromptRecord, PromptState } from '../ports/records.js';
import { queuedPrompts } from '../sessions/machine/session-state.js';
import type { Session } from '../sessions/session.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';
import { requirePromptOf } from './prompt.js';

interface OfSession {
  caller: Pick<Caller, 'device'>;
  sessionId: SessionId;
}

const STATES: Record<PromptStatus, readonly PromptState[]> = {
  queued: ['queued'],
  processing: ['dispatching', 'processing'],
  completed: ['completed'],
  failed: ['failed'],
  cancelled: ['cancelled'],
};

const statusOf = ({ state }: PromptRecord): PromptStatus => (state === 'dispatching' ? 'processing' : state);

/** A page of the session's prompts, newest first. */
export function listPrompts(
  services: CommandServices,
  { caller, sessionId, limit, offset, cursor, status }: OfSession & ListPrompts,
): PromptPage {
  const session = sessionOf(services, caller, sessionId);
  const { journal } = services;
  const before = cursor === undefined ? undefined : readCursor(cursor, journal.epoch);
  const states = status && { states: STATES[status] };
  const range = {
    sessionId,
    limit: limit + 1,
    offset: offset ?? 0,
    ...(before !== undefined && { before }),
    ...states,
  };
  const { prompts, total } = journal.listPrompts(range);
  const shown = prompts.slice(0, limit);
  const last = prompts.length > limit ? shown.at(-1) : undefined;
  return {
    prompts: shown.map(({ prompt }) => promptView(session, prompt)),
    total,
    limit,
    ...(cursor === undefined && { offset: offset ?? 0 }),
    hasMore: last !== undefined,
    ...(last && { nextCursor: nextCursor(last.number, journal.epoch) }),
  };
}

const MAX_TEXT = 8192;
/** What the record keeps of the text of an ended prompt, in UTF-16 units; the event has the whole. */
const ENDED_TEXT = 1000;

function promptView(session: Session, prompt: PromptRecord): PromptView {
  const { promptId, sessionId, mode, device, createdAt, endedAt, outcome, allowedTools } = prompt;
  const text = cutText(prompt.text, MAX_TEXT);
  const position = positionOf(session, promptId);
  const isKept = prompt.endedAt === undefined ? !prompt.body?.textBytes : prompt.text.length < ENDED_TEXT;
  return {
    id: promptId,
    promptId,
    sessionId,
    prompt: text,
    ...((!isKept || text.length < prompt.text.length) && { truncated: true }),
    status: statusOf(prompt),
    mode,
    ...(position >= 0 && { position }),
    deviceId: device.deviceId,
    ...(prompt.via && { via: [...prompt.via] }),
    createdAt: iso(createdAt),
    ...(endedAt !== undefined && { completedAt: iso(endedAt) }),
    ...endOf(prompt),
    metadata: {
      ...(allowedTools && { allowedTools: [...allowedTools] }),
      ...(outcome && { duration: outcome.durationMs }),
      ...tokensOf(prompt),
    },
  };
}

function tokensOf({ outcome }: PromptRecord): { tokenCount?: number } {
  const tokenCount = tokenCountOf(outcome?.usage);
  return tokenCount === undefined ? {} : { tokenCount };
}

function endOf({ state, endedAt, outcome }: PromptRecord): Partial<PromptView> {
  if (!outcome) return endedAt === undefined ? {} : { error: state };
  const { subtype, isError, finalResult, durationMs: duration, numTurns, usage, cost } = outcome;
  return {
    ...(isError ? { error: finalResult || subtype } : { response: finalResult }),
    subtype,
    duration,
    numTurns,
    ...(usage && { usage }),
    ...(cost !== undefined && { cost }),
  };
}

/** Negative where it does not wait. */
function positionOf({ state }: Session, promptId: PromptId): number {
  const waiting = queuedPrompts(state).findIndex((one) => one.promptId === promptId);
  return waiting < 0 ? waiting : waiting + state.prompts.length - queuedPrompts(state).length;
}

const iso = (at: number): string => new Date(at).toISOString();

const MOST_CALLS = 200;
const MAX_CALL_BYTES = 8 * 1024;
const MAX_CALLS_BYTES = 128 * 1024;
const MAX_RESPONSE = 64 * 1024;
const BATCH = { limit: 100, bytes: 512 * 1024 } as const;

/**
 * A prompt with what its turn has said and done so far, as far as the events are kept. Rejects with `NOT_FOUND`, and
 * with `INVALID_REQUEST` for a prompt of another session. Other work gets its turn in between.
 */
export async function showPrompt(
  services: CommandServices,
  of: OfSession & { promptId: PromptId },
): Promise<PromptView> {
  const session = requirePromptOf(services, of);
  const { journal } = services;
  const told = new TurnReader(of.promptId);
  const { uuid } = requirePrompt(services, of.promptId);
  const began = journal.seqOfMessage(session.id, uuid);
  for (let after = began && began - 1; after !== undefined && !told.isOver; ) {
    const events = journal.readEvents({ sessionId: session.id, after, ...BATCH });
    for (const event of events) told.take(event);
    after = events.at(-1)?.seq;
    if (!told.isOver) await turnOfOthers();
  }
  // What has ended meanwhile is told as ended.
  return told.view(promptView(session, requirePrompt(services, of.promptId)));
}

function requirePrompt({ journal }: CommandServices, promptId: PromptId): PromptRecord {
  const prompt = journal.findPrompt(promptId);
  if (!prompt) throw new Error('the prompt was there just now');
  return prompt;
}

/** Reads the events of a turn. */
class TurnReader {
  readonly #promptId: PromptId;
  readonly #calls = new Map<string, ToolCall>();
  #count = 0;
  #bytes = 0;
  #messageId: string | undefined;
  #texts: string[] = [];
  #prompt: string | undefined;
  #isCut = false;
  isOver = false;

  constructor(promptId: PromptId) {
    this.#promptId = promptId;
  }

  take({ type, data }: EventRecord): void {
    if (this.isOver) return;
    if (type === 'humanMessage') this.#takePrompt(JSON.parse(data) as EventData<'humanMessage'>);
    else if (type === 'assistantMessage') this.#takeMessage(JSON.parse(data) as EventData<'assistantMessage'>);
    else if (type === 'toolUse') this.#takeUse(JSON.parse(data) as EventData<'toolUse'>);
    else if (type === 'toolResult') this.#takeResult(JSON.parse(data) as EventData<'toolResult'>);
    else if (type === 'streamComplete') this.#takeEnd(JSON.parse(data) as EventData<'streamComplete'>);
  }

  view({ metadata, ...prompt }: PromptView): PromptView {
    const said = this.#texts.join('');
    const response = cutText(said, MAX_RESPONSE);
    const text = this.#prompt ?? prompt.prompt;
    const shown = cutText(text, MAX_TEXT);
    const isPromptCut = this.#prompt === undefined ? prompt.truncated : this.#isCut || shown.length < text.length;
    const isCut = isPromptCut || response.length < said.length;
    const { truncated: _, ...rest } = prompt;
    return {
      ...rest,
      prompt: shown,
      ...(isCut && { truncated: true }),
      ...(said !== '' && rest.error === undefined && { response }),
      metadata: { ...metadata, toolCalls: [...this.#calls.values()], toolCallCount: this.#count },
    };
  }

  #takePrompt({ promptId, content, truncated = false }: EventData<'humanMessage'>): void {
    if (promptId !== this.#promptId) return;
    this.#isCut = truncated;
    this.#prompt = content.flatMap((block) => (block.type === 'text' ? (block.text ?? '') : [])).join('');
  }

  /** The last message of Claude itself. */
  #takeMessage({ messageId, content, parentToolUseId }: EventData<'assistantMessage'>): void {
    if (parentToolUseId !== undefined) return;
    const texts = content.flatMap((block) => (block.type === 'text' ? (block.text ?? '') : []));
    if (texts.length === 0) return;
    if (messageId !== this.#messageId) this.#texts = [];
    this.#messageId = messageId;
    this.#texts.push(...texts);
  }

  #takeUse({ toolId, toolName, toolInput, parentToolUseId }: EventData<'toolUse'>): void {
    this.#count += 1;
    if (this.#calls.size >= MOST_CALLS || this.#bytes >= MAX_CALLS_BYTES) return;
    const of = parentToolUseId === undefined ? {} : { parentToolUseId };
    this.#keep(toolId, { id: toolId, tool: toolName, params: toolInput, ...of });
  }

  #takeResult({ toolId, result, error, success, truncated }: EventData<'toolResult'>): void {
    const call = this.#calls.get(toolId);
    if (!call) return;
    const text = result ?? error;
    this.#keep(toolId, {
      ...call,
      ...(text !== undefined && { result: text }),
      success,
      ...(truncated && { truncated }),
    });
  }

  #takeEnd({ promptId, steered = [] }: EventData<'streamComplete'>): void {
    this.isOver = promptId === this.#promptId || steered.includes(this.#promptId);
  }

  #keep(toolId: string, call: ToolCall): void {
    const json = JSON.stringify(call);
    const kept = fitsWithin(json, MAX_CALL_BYTES) ? call : (JSON.parse(cutData(call, MAX_CALL_BYTES)) as ToolCall);
    this.#bytes += Math.min(json.length, MAX_CALL_BYTES);
    this.#calls.set(toolId, kept);
  }
}
