/** Messages with what their tools and subagents have done. */
import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { EventData } from '../../protocol/events.js';
import type { ToldBlock, ToldMessage, ToolAnswer } from '../../protocol/history.js';
import { cutText } from '../../protocol/plain-text.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { HistoryMessage } from '../../protocol/server-frames.js';
import type { Journal } from '../ports/journal.js';
import type { EventRecord } from '../ports/records.js';

/** How much is read for a page, and how long each result is shown, in UTF-16 units. */
export interface ToolBudget {
  events: number;
  bytes: number;
  result: number;
}

const KIB = 1024;
export const PAGE_BUDGET: ToolBudget = { events: 2000, bytes: 512 * KIB, result: 8 * KIB };
/** The next message of the conversation ends what is read: an export has all. */
export const EXPORT_BUDGET: ToolBudget = { events: 20_000, bytes: 8 * KIB * KIB, result: 256 * KIB };

const BATCH = { limit: 50, bytes: 128 * KIB } as const;

interface Reading {
  journal: Pick<Journal, 'readEvents'>;
  sessionId: SessionId;
  /** Successive messages of the conversation. */
  messages: readonly HistoryMessage[];
  budget: ToolBudget;
}

/**
 * The messages with the results of their tools, and with what subagents have said below the tool uses that began them.
 * Reads the events from the first message up to the message after the last. Yields to other work.
 */
export async function withTools({ journal, sessionId, messages, budget }: Reading): Promise<ToldMessage[]> {
  const first = messages[0]?.seq;
  if (first === undefined) return [];
  const work = new ToolWork(messages, budget);
  for (let after: number | undefined = first - 1; after !== undefined && !work.isOver; ) {
    const events = journal.readEvents({ sessionId, after, ...BATCH });
    for (const event of events) work.take(event);
    after = events.at(-1)?.seq;
    await turnOfOthers();
  }
  return work.told();
}

/** Without their tool uses. A message can be left without content. */
export const withoutTools = (messages: readonly HistoryMessage[]): HistoryMessage[] =>
  messages.map((message) => ({ ...message, content: message.content.filter(({ type }) => type !== 'tool_use') }));

/** Collects what was done between messages. */
class ToolWork {
  readonly #messages: readonly HistoryMessage[];
  readonly #ids: ReadonlySet<string>;
  readonly #budget: ToolBudget;
  readonly #results = new Map<string, ToolAnswer>();
  /** By the tool use that began the subagent, with the seq of the first. */
  readonly #subagents = new Map<string, ToldMessage[]>();
  /** The last block of a subagent, where it was cut short. */
  #partial: { id: string; blockIndex: number } | undefined;
  #events = 0;
  #bytes = 0;
  isOver = false;

  constructor(messages: readonly HistoryMessage[], budget: ToolBudget) {
    this.#messages = messages;
    this.#ids = new Set(messages.map(({ id }) => id));
    this.#budget = budget;
  }

  get #isFull(): boolean {
    return this.#events > this.#budget.events || this.#bytes > this.#budget.bytes;
  }

  take({ type, data, seq, at }: EventRecord): void {
    this.#events += 1;
    this.#bytes += data.length;
    if (this.#isFull) this.isOver = true;
    if (this.isOver) return;
    if (type === 'toolResult') this.#takeResult(JSON.parse(data) as EventData<'toolResult'>);
    else if (type === 'humanMessage') this.#endAt(JSON.parse(data) as EventData<'humanMessage'>);
    else if (type === 'assistantMessage') {
      this.#takeMessage(JSON.parse(data) as EventData<'assistantMessage'>, { seq, at });
    }
  }

  told(): ToldMessage[] {
    const told = this.#messages.map((message) => this.#withWork(message));
    for (const [parentToolUseId, messages] of this.#subagents) {
      const before = told.findLast(({ seq = 0 }) => seq < (messages[0]?.seq ?? 0));
      if (before) before.subagents = [...(before.subagents ?? []), { parentToolUseId, messages }];
    }
    const last = told.at(-1);
    if (last && this.#isFull) last.toolsTruncated = true;
    return told;
  }

  /** A later message of the conversation. */
  #endAt({ messageId }: { messageId: string }): void {
    if (!this.#ids.has(messageId)) this.isOver = true;
  }

  #takeResult({ toolId, success, result, error, truncated = false }: EventData<'toolResult'>): void {
    const whole = result ?? error ?? '';
    const text = cutText(whole, this.#budget.result);
    const isCut = truncated || text.length < whole.length;
    this.#results.set(toolId, { success, text, ...(isCut && { truncated: true }) });
  }

  #takeMessage(data: EventData<'assistantMessage'>, { seq, at }: { seq: number; at: number }): void {
    const { parentToolUseId, messageId: id, blockIndex, content, model, usage, partial } = data;
    if (parentToolUseId === undefined) {
      this.#endAt(data);
      return;
    }
    const said = this.#subagents.get(parentToolUseId) ?? [];
    const last = said.at(-1);
    const details = { ...(model !== undefined && { model }), ...(usage && { usage }) };
    const part = this.#partial?.id === id && this.#partial.blockIndex === blockIndex ? -1 : undefined;
    this.#partial = partial ? { id, blockIndex } : undefined;
    // A block that was cut short, and is repeated as a whole, replaces its part.
    if (last?.id === id) Object.assign(last, details, { content: [...last.content.slice(0, part), ...content] });
    else said.push({ id, type: 'assistant', content, timestamp: new Date(at).toISOString(), ...details, seq });
    this.#subagents.set(parentToolUseId, said);
  }

  /** Takes the work that belongs to its tool uses, which is then not told elsewhere. */
  #withWork(message: ToldMessage): ToldMessage {
    return { ...message, content: message.content.map((block) => this.#withResult(block)) };
  }

  #withResult(block: ToldBlock): ToldBlock {
    if (block.type !== 'tool_use' || !('id' in block) || typeof block.id !== 'string') return block;
    const result = this.#results.get(block.id);
    const said = this.#subagents.get(block.id);
    this.#subagents.delete(block.id);
    const subagent = said?.map((one) => this.#withWork(one));
    return { ...block, ...(result && { result }), ...(subagent && { subagent }) };
  }
}
