/** Frames as blocks of an event stream. */
import type { ContentBlock } from '../../protocol/content.js';
import type { StreamEvent, StreamEventName } from '../../protocol/event-stream.js';
import type { EventData, EventType } from '../../protocol/events.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { AnswerData, PositionedData } from '../../protocol/server-frames.js';
import type { Encoder } from '../../services/delivery/frames.js';
import { tokenCountOf } from '../../services/model/token-count.js';
import type { Journal } from '../../services/ports/journal.js';

type TurnEnd = EventData<'streamComplete'>;

/** What a reader has to know of a frame. */
export interface FrameNote {
  /** The frame's own type. */
  type: string;
  sessionId: SessionId;
  /** Of a durable event. */
  seq?: number;
  /** After a `reset`, the position of its reader; of `caughtUp` the position up to which everything was sent. */
  head?: number;
  /** The prompt that a person's message begins. */
  promptId?: string;
  /** The prompts that a turn ends. */
  ends?: readonly string[];
}

interface Wire {
  type: string;
  timestamp: string;
  sessionId?: SessionId;
  seq?: number;
  epoch?: string;
  data: never;
}

/** A named event and its data, without what all have. */
type Shown = { [T in StreamEventName]: [T, Omit<StreamEvent<T>, 'type' | 'timestamp' | 'sessionId' | 'seq'>] }[Exclude<
  StreamEventName,
  'connected' | 'waiting'
>];

type Shower = (data: never, wire: Wire) => Shown | undefined;

/** The types of frames that a stream can show; `streamData` only where deltas are asked for. */
export const SHOWN_FRAMES = [
  'humanMessage',
  'assistantMessage',
  'toolUse',
  'toolResult',
  'permissionRequest',
  'permissionResolved',
  'sessionStatus',
  'streamComplete',
  'error',
] as const satisfies readonly EventType[];

/** Nothing is sent for a frame that a stream does not show. */
const NOTHING = new Uint8Array();

export interface EventBlocks {
  /** Encodes a frame as a block. */
  encode: Encoder;
  /** What the block with these bytes, made by `encode`, is about. */
  noteOf(block: Uint8Array): FrameNote | undefined;
}

/**
 * The one encoding of frames for all event streams of a daemon. A block is the same for all readers; only its first line,
 * the id, differs where a reader follows several sessions.
 */
export function createEventBlocks(journal: Pick<Journal, 'findPrompt' | 'seqOfMessage' | 'countTools'>): EventBlocks {
  const notes = new WeakMap<Uint8Array, FrameNote>();
  const shownBy: Record<string, Shower> = { ...SHOWERS, streamComplete: completeShower(journal) };
  return {
    encode: (text) => {
      const wire = JSON.parse(text) as Wire;
      const shown = shownBy[wire.type]?.(wire.data, wire);
      const note = noteOf(wire);
      // Each block without text has its own bytes, which its note belongs to.
      const block = shown ? Buffer.from(blockOf(shown, wire, note)) : NOTHING.slice();
      notes.set(block, note);
      return block;
    },
    noteOf: (block) => notes.get(block),
  };
}

function noteOf({ type, sessionId, seq, data }: Wire): FrameNote {
  const {
    sessionId: named,
    promptId,
    steered = [],
    head,
    seq: upTo,
  } = data as TurnEnd & { head?: number; seq?: number };
  const position = type === 'caughtUp' ? upTo : head;
  return {
    type,
    sessionId: sessionId ?? (named as SessionId),
    ...(seq !== undefined && { seq }),
    ...(position !== undefined && { head: position }),
    ...(type === 'humanMessage' && promptId !== undefined && { promptId }),
    ...(type === 'streamComplete' && { ends: [...(promptId === undefined ? [] : [promptId]), ...steered] }),
  };
}

function blockOf([event, data]: Shown, { timestamp, seq, epoch }: Wire, { sessionId }: FrameNote): string {
  const position = seq === undefined ? {} : { seq };
  const json = JSON.stringify({ type: event, sessionId, ...position, ...data, timestamp });
  return `${seq === undefined ? '' : `id: ${epoch}:${seq}\n`}event: ${event}\ndata: ${json}\n\n`;
}

/** A block that is no frame, and has no id. */
export function ownBlock<T extends StreamEventName>(
  event: T,
  data: Omit<StreamEvent<T>, 'type' | 'timestamp'>,
  id?: string,
): string {
  const json = JSON.stringify({ type: event, ...data, timestamp: new Date().toISOString() });
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${json}\n\n`;
}

/** An absent field is left out. */
function present<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

const textOf = (content: readonly ContentBlock[]): string =>
  content.flatMap((block) => ('text' in block && block.text !== undefined ? block.text : [])).join('\n');

const SHOWERS: Record<string, Shower> = {
  humanMessage: ({ content, messageId, promptId, deviceId, truncated }: EventData<'humanMessage'>) => {
    const others = content.filter(({ type }) => type !== 'text');
    const attachments = others.length > 0 ? others : undefined;
    const ids = { messageId, promptId, deviceId };
    return ['message', { role: 'user', content: textOf(content), ...ids, ...present({ attachments, truncated }) }];
  },
  assistantMessage: ({ content, messageId, blockIndex, ...data }: EventData<'assistantMessage'>) => {
    const { model, parentToolUseId, partial, truncated } = data;
    // Its `toolUse` follows.
    if (content.some(({ type }) => type === 'tool_use')) return undefined;
    const thinking = content.some(({ type }) => type === 'thinking') ? (true as const) : undefined;
    const details = present({ thinking, model, parentToolUseId, partial, truncated });
    return ['message', { role: 'assistant', content: textOf(content), messageId, blockIndex, ...details }];
  },
  toolUse: ({ toolName: tool, toolInput: params, toolId, parentToolUseId, truncated }: EventData<'toolUse'>) => [
    'tool_use',
    { tool, params, toolId, ...present({ parentToolUseId, truncated }) },
  ],
  toolResult: ({ toolName: tool, toolId, success, ...data }: EventData<'toolResult'>) => {
    const { result, error, change, parentToolUseId, truncated } = data;
    const details = present({ change, parentToolUseId, truncated });
    return ['tool_result', { tool, toolId, result: result ?? error ?? '', success, ...details }];
  },
  permissionRequest: (data: EventData<'permissionRequest'>) => ['permission_request', data],
  permissionResolved: (data: EventData<'permissionResolved'>) => ['permission_resolved', data],
  sessionStatus: (data: EventData<'sessionStatus'>) => ['status', data],
  error: (data: EventData<'error'>) => ['error', data],
  reset: ({ epoch, head, reason, snapshot }: AnswerData<'reset'>) => ['reset', { epoch, head, reason, snapshot }],
  streamData: ({ content: { text }, ...place }: PositionedData<'streamData'>) => ['delta', { ...place, content: text }],
};

type Turns = Pick<Journal, 'findPrompt' | 'seqOfMessage' | 'countTools'>;

function completeShower(journal: Turns): Shower {
  return ({ finalResult: result, duration, ...data }: TurnEnd, { sessionId, seq }) => {
    const { promptId, steered, subtype, isError, cost, usage, numTurns, truncated } = data;
    const toolCallCount = seq === undefined ? undefined : toolsOf(journal, { sessionId, seq, promptId });
    const summary = { duration, ...present({ tokenCount: tokenCountOf(usage), toolCallCount }) };
    const details = present({ promptId, steered, cost, usage, truncated });
    return ['complete', { result, subtype, isError, summary, numTurns, ...details }];
  };
}

interface End {
  sessionId: SessionId | undefined;
  seq: number;
  promptId: string | undefined;
}

/** The number of tools used in a turn; undefined when its beginning is not known. */
function toolsOf(journal: Turns, { sessionId, seq, promptId }: End): number | undefined {
  if (sessionId === undefined || promptId === undefined) return undefined;
  try {
    const prompt = journal.findPrompt(promptId as PromptId);
    const after = prompt && journal.seqOfMessage(sessionId, prompt.uuid);
    return after === undefined ? undefined : journal.countTools(sessionId, { after, before: seq });
  } catch {
    // Whatever is wrong with the journal, its next read or write reports it; the end of the turn is told without.
    return undefined;
  }
}
