/** What one session's conversation shows, made of its events and its streamed text. Pure. */
import type { ClientEvent, EventData, PositionedData } from '../../client/browser.js';
import type { ToldBlock, ToldMessage } from '../../protocol/history.js';

export interface TextItem {
  kind: 'text' | 'thinking';
  /** Message id and block index. */
  key: string;
  text: string;
  isComplete: boolean;
  isPartial: boolean;
  /** It is being written: its event has not come. Such texts are behind everything else. */
  isStreamed: boolean;
  parent: string | undefined;
}

export interface ToolItem {
  kind: 'tool';
  /** The tool's id. */
  key: string;
  name: string;
  input: unknown;
  /** Absent while it runs. */
  result: EventData<'toolResult'> | undefined;
  parent: string | undefined;
}

export type Item =
  | { kind: 'human'; key: string; text: string; images: number; promptId: string | undefined; at: string | undefined }
  | TextItem
  | ToolItem
  | { kind: 'end'; key: string; data: EventData<'streamComplete'> }
  | { kind: 'diff'; key: string; data: EventData<'turnDiff'> }
  /** Another conversation begins than the one with the id `before`. */
  | { kind: 'branch'; key: string; before: string }
  | { kind: 'rewound'; key: string; what: EventData<'rewound'>['what'] }
  | { kind: 'notice'; key: string; level: 'info' | 'warning' | 'error'; text: string };

export interface Transcript {
  /** `loading`: its beginning is being asked for. `failed`: that was refused, and nothing is known of what was said. */
  phase: 'loading' | 'replaying' | 'live' | 'failed';
  /** Why it failed. */
  failure: string | undefined;
  /** It failed since there is no such session: asking again does not help. */
  isGone: boolean;
  items: readonly Item[];
  /** The id that the CLI has for the conversation; undefined until it was told. */
  conversation: string | undefined;
  /** The last event in it; events come one by one after this. */
  seq: number;
  /** The key of the last item that came late: the connection was not there when it happened. */
  replayed: string | undefined;
  /** The seq of its oldest message, before which older ones can be asked for; undefined when there are none. */
  olderThan: number | undefined;
}

export const LOADING: Transcript = {
  phase: 'loading',
  failure: undefined,
  isGone: false,
  items: [],
  conversation: undefined,
  seq: 0,
  replayed: undefined,
  olderThan: undefined,
};

/** The transcript that continues after this event. */
export const begun = (seq: number, olderThan: number | undefined): Transcript => ({
  ...LOADING,
  phase: 'replaying',
  seq,
  olderThan,
});

/** Takes the next event; any other one is not of this stream. */
export function withEvent(transcript: Transcript, event: ClientEvent): Transcript {
  const { phase, seq } = transcript;
  if (phase === 'loading' || phase === 'failed' || event.seq !== seq + 1) return transcript;
  const items = itemsAfter(transcript.items, event);
  const replayed = event.replayed ? lastKey(items) : transcript.replayed;
  const next = { ...transcript, seq: event.seq, items, replayed };
  return event.type === 'systemInit' ? inConversation(next, event.data.claudeSessionId) : next;
}

function inConversation(transcript: Transcript, id: string): Transcript {
  const { conversation: before, items, seq } = transcript;
  if (before === undefined || before === id) return { ...transcript, conversation: id };
  const branch: Item = { kind: 'branch', key: `branch-${seq}`, before };
  return { ...transcript, conversation: id, items: added(items, branch) };
}

/** Takes a piece of a text that is being written. One that would leave a hole waits for its event. */
export function withText(transcript: Transcript, data: PositionedData<'streamData'>): Transcript {
  const { phase, items } = transcript;
  if (phase === 'loading' || phase === 'failed' || data.streamType === 'tool_input') return transcript;
  const key = keyOf(data);
  const { offset, content, isComplete, parentToolUseId: parent } = data;
  const index = items.findLastIndex((item) => item.key === key);
  const known = items[index];
  const text = known && isText(known) ? known.text : '';
  if (offset > text.length || (known && !isText(known)) || (known && isText(known) && known.isComplete))
    return transcript;
  const joined = text.slice(0, offset) + content.text;
  const kind = data.streamType === 'thinking' ? 'thinking' : 'text';
  const item: TextItem = {
    kind,
    key,
    text: joined.length < text.length ? text : joined,
    isComplete,
    isPartial: data.aborted ?? false,
    isStreamed: true,
    parent,
  };
  return { ...transcript, items: index < 0 ? [...items, item] : items.with(index, item) };
}

/** Puts a page of older messages before the others. */
export function withOlder(
  transcript: Transcript,
  messages: readonly ToldMessage[],
  olderThan: number | undefined,
): Transcript {
  return { ...transcript, items: [...messages.flatMap((one) => itemsOf(one)), ...transcript.items], olderThan };
}

const isText = (item: Item): item is TextItem => item.kind === 'text' || item.kind === 'thinking';

/** Of the last item that has its event: what is being written has none. */
export const lastKey = (items: readonly Item[]): string | undefined =>
  items.findLast((item) => !(isText(item) && item.isStreamed))?.key;

const keyOf = ({ messageId, blockIndex }: { messageId: string; blockIndex: number }) => `${messageId}/${blockIndex}`;

type Of<T extends ClientEvent['type']> = Extract<ClientEvent, { type: T }>;

const MAKERS: { [T in ClientEvent['type']]?: (items: readonly Item[], event: Of<T>) => readonly Item[] } = {
  humanMessage: (items, { data, at }) => added(items, humanItem({ ...data, id: data.messageId, at })),
  assistantMessage: (items, { data }) => withBlock(items, data),
  toolUse: (items, { data }) =>
    added(items, {
      kind: 'tool',
      key: data.toolId,
      name: data.toolName,
      input: data.toolInput,
      result: undefined,
      parent: data.parentToolUseId,
    }),
  toolResult: (items, { data }) => {
    const index = items.findLastIndex(({ kind, key }) => kind === 'tool' && key === data.toolId);
    const tool = items[index];
    return tool?.kind === 'tool' ? items.with(index, { ...tool, result: data }) : items;
  },
  streamComplete: (items, { data, seq }) => added(items, { kind: 'end', key: `end-${seq}`, data }),
  turnDiff: (items, { data, seq }) => added(items, { kind: 'diff', key: `diff-${seq}`, data }),
  rewound: (items, { data, seq }) => added(items, { kind: 'rewound', key: `rewound-${seq}`, what: data.what }),
  notice: (items, { data, seq }) =>
    added(items, { kind: 'notice', key: `n-${seq}`, level: data.level, text: data.message }),
  error: (items, { data, seq }) =>
    added(items, { kind: 'notice', key: `n-${seq}`, level: 'error', text: data.message }),
};

function itemsAfter(items: readonly Item[], event: ClientEvent): readonly Item[] {
  const make = MAKERS[event.type] as ((items: readonly Item[], event: ClientEvent) => readonly Item[]) | undefined;
  return make ? make(items, event) : items;
}

/** A finished block replaces what was streamed of it. A tool has an event of its own. */
function withBlock(items: readonly Item[], data: EventData<'assistantMessage'>): readonly Item[] {
  const [block] = data.content;
  const text = block && 'text' in block ? block.text : undefined;
  if (!block || block.type === 'tool_use' || text === undefined) return items;
  const key = keyOf(data);
  const item: TextItem = {
    kind: block.type === 'thinking' ? 'thinking' : 'text',
    key,
    text,
    isComplete: true,
    isPartial: data.partial ?? false,
    isStreamed: false,
    parent: data.parentToolUseId,
  };
  const index = items.findLastIndex((known) => known.key === key);
  const known = items[index];
  const others = index < 0 ? items : items.toSpliced(index, 1);
  // The event of a text that is too long for a frame lacks its middle, which has been streamed.
  const isLonger = known && isText(known) && data.truncated && known.text.length > text.length;
  return added(others, isLonger ? { ...item, text: known.text } : item);
}

/** In the order of events, whatever was streamed when: who missed the pieces of a text sees the same. */
const added = (items: readonly Item[], item: Item): readonly Item[] =>
  items.toSpliced(items.findLastIndex((known) => !(isText(known) && known.isStreamed)) + 1, 0, item);

interface Said {
  id: string;
  content: readonly { type: string; text?: string | undefined }[];
  promptId?: string | undefined;
  at?: string | undefined;
}

function humanItem({ id, content, promptId, at }: Said): Item {
  const text = content.flatMap((block) => (block.text === undefined ? [] : [block.text])).join('\n');
  return { kind: 'human', key: id, text, images: content.filter(({ type }) => type === 'image').length, promptId, at };
}

/** A message of the history, which has its blocks together, with what subagents have said below their tool uses. */
function itemsOf(message: ToldMessage, parent?: string): Item[] {
  const { id, type, content, promptId, timestamp, subagents = [] } = message;
  // What a subagent was told is in the input of its tool use.
  if (type === 'user') return parent === undefined ? [humanItem({ id, content, promptId, at: timestamp })] : [];
  const own = content.flatMap((block, index) => blockItems(block, { key: `${id}/${index}`, parent }));
  const others = subagents.flatMap(({ parentToolUseId, messages }) =>
    messages.flatMap((one) => itemsOf(one, parentToolUseId)),
  );
  return [...own, ...others];
}

function blockItems(block: ToldBlock, { key, parent }: { key: string; parent: string | undefined }): Item[] {
  if (block.type === 'tool_use' && 'input' in block) {
    const { id, name, input, subagent = [] } = block;
    const tool: Item = { kind: 'tool', key: id, name, input, result: resultIn(block), parent };
    return [tool, ...subagent.flatMap((one) => itemsOf(one, id))];
  }
  if (!('text' in block) || block.text === undefined) return [];
  const kind = block.type === 'thinking' ? 'thinking' : 'text';
  return [{ kind, key, text: block.text, isComplete: true, isPartial: false, isStreamed: false, parent }];
}

/** Of a page that was asked for with its tools. */
function resultIn(block: object & { id: string; name: string }): EventData<'toolResult'> | undefined {
  const { result } = block as { result?: { success: boolean; text: string; truncated?: boolean } };
  if (!result) return undefined;
  const { success, text, truncated } = result;
  const said = success ? { result: text } : { error: text };
  return {
    type: 'tool_result',
    toolName: block.name,
    toolId: block.id,
    success,
    ...said,
    ...(truncated && { truncated }),
    timestamp: '',
  };
}
