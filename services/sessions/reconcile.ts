/** What a transcript holds and the journal does not: as functions of both. */
import type { ContentBlock } from '../../protocol/content.js';
import type { TranscriptEntry } from '../ports/claude.js';
import type { Said, SaidBlock } from '../ports/journal.js';
import type { TranscriptMark } from '../ports/records.js';
import { blockEvent, toolResultEvent, toolUseEvent } from './decide-blocks.js';
import { Draft, type Step } from './draft.js';
import type { SessionState } from './session-state.js';

/** Something to be added; of a block with the index that it gets, and whether its message is a new one. */
export type Missing =
  | { kind: 'human'; entry: Entry<'human'> }
  | { kind: 'block'; entry: Entry<'block'>; blockIndex: number; isNewMessage: boolean; isNewToolUse: boolean }
  | { kind: 'toolResult'; entry: Entry<'toolResult'> };

type Entry<Kind extends TranscriptEntry['kind']> = Extract<TranscriptEntry, { kind: Kind }>;

export interface Comparison {
  /** In the order of the conversation. */
  entries: readonly TranscriptEntry[];
  said: Said;
  /** All of the entries lie behind a place at which both agreed. Else what precedes the first that was said is left out. */
  anchored: boolean;
}

/** What is missing, in order, and whether entries that follow these have something known before them. */
export function findMissing({ entries, said, anchored }: Comparison): { missing: Missing[]; anchored: boolean } {
  const known = new Known(said);
  const from = anchored ? 0 : entries.findIndex((entry) => known.has(entry));
  if (from === -1) return { missing: [], anchored: false };
  const missing = entries.slice(from).flatMap((entry) => known.take(entry) ?? []);
  return { missing, anchored: true };
}

/** What was said: in the journal, and in what is added to it. */
class Known {
  readonly #messages: Map<string, SaidBlock[]>;
  readonly #toolUses: Set<string>;
  readonly #toolResults: Set<string>;

  constructor({ messages, toolUses, toolResults }: Said) {
    this.#messages = new Map(messages);
    this.#toolUses = new Set(toolUses);
    this.#toolResults = new Set(toolResults);
  }

  /** Whether it was said, if only in part. */
  has(entry: TranscriptEntry): boolean {
    switch (entry.kind) {
      case 'human':
        return this.#messages.has(entry.uuid);
      case 'toolResult':
        return this.#toolResults.has(entry.toolId);
      case 'block':
        return this.#match(entry) !== undefined;
    }
  }

  /** Takes it for said from here on; undefined when it was. */
  take(entry: TranscriptEntry): Missing | undefined {
    if (entry.kind === 'block') return this.#takeBlock(entry);
    if (this.has(entry)) return undefined;
    if (entry.kind === 'human') {
      this.#messages.set(entry.uuid, []);
      return { kind: 'human', entry };
    }
    this.#toolResults.add(entry.toolId);
    return { kind: 'toolResult', entry };
  }

  #takeBlock(entry: Entry<'block'>): Missing | undefined {
    const match = this.#match(entry);
    if (match && (!match.partial || isSame(match.content[0], entry.content))) return undefined;
    const blocks = this.#messages.get(entry.messageId) ?? [];
    const blockIndex = match?.blockIndex ?? freeIndex(blocks, entry.blockIndex);
    const whole: SaidBlock = { blockIndex, content: [entry.content], partial: false };
    this.#messages.set(entry.messageId, [...blocks.filter((block) => block !== match), whole]);
    const toolId = toolIdOf(entry.content);
    const isNewToolUse = toolId !== undefined && !this.#toolUses.has(toolId);
    if (toolId !== undefined) this.#toolUses.add(toolId);
    return { kind: 'block', entry, blockIndex, isNewMessage: blocks.length === 0, isNewToolUse };
  }

  /**
   * The block of the journal that this one is: the same, else a part of it, else one of its kind in its place. Places
   * are compared last, for a transcript need not have every block that was streamed.
   */
  #match({ messageId, blockIndex, content }: Entry<'block'>): SaidBlock | undefined {
    const blocks = this.#messages.get(messageId) ?? [];
    return (
      blocks.find((block) => !block.partial && isSame(block.content[0], content)) ??
      blocks.find((block) => block.partial && isPart(block.content[0], content)) ??
      blocks.find((block) => block.blockIndex === blockIndex && isOfKind(block.content[0], content))
    );
  }
}

const toolIdOf = (block: ContentBlock | undefined): string | undefined =>
  block && 'id' in block && block.type === 'tool_use' ? block.id : undefined;

/** A tool use is known by its id: its input may have been changed by who allowed it. */
function isSame(one: ContentBlock | undefined, other: ContentBlock): boolean {
  const toolId = toolIdOf(other);
  if (toolId !== undefined && typeof inputOf(one) !== 'string') return toolIdOf(one) === toolId;
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Rather a text that differs in something is left as it is than said twice. */
const isOfKind = (one: ContentBlock | undefined, other: ContentBlock): boolean =>
  one?.type === other.type && other.type !== 'tool_use';

const inputOf = (block: ContentBlock | undefined): unknown => (block && 'input' in block ? block.input : undefined);

function isPart(part: ContentBlock | undefined, whole: ContentBlock): boolean {
  if (!part || part.type !== whole.type) return false;
  const toolId = toolIdOf(whole);
  if (toolId !== undefined) return toolIdOf(part) === toolId;
  return textOf(whole).startsWith(textOf(part));
}

const textOf = (block: ContentBlock): string => ('text' in block ? (block.text ?? '') : '');

function freeIndex(blocks: readonly SaidBlock[], wanted: number): number {
  const taken = blocks.map(({ blockIndex = 0 }) => blockIndex);
  return taken.includes(wanted) ? Math.max(...taken) + 1 : wanted;
}

/** Only while nothing is said by a child: what it says is in the journal a moment later. */
export const canReconcile = ({ turn, child, record }: SessionState, claudeSessionId: string): boolean =>
  record.claudeSessionId === claudeSessionId &&
  turn === null &&
  (child.phase === 'none' || child.phase === 'starting' || child.phase === 'checking');

/** Adds what was missing, as it happened then. */
export function onMissingFound(state: SessionState, missing: readonly Missing[], now: number): Step {
  const draft = new Draft(state, now);
  for (const one of missing) {
    draft.happenedAt(one.entry.at);
    say(draft, one);
  }
  draft.happenedAt(undefined);
  return draft.finish();
}

/** Who a message is from that was typed elsewhere. */
const TERMINAL = 'terminal';

function say(draft: Draft, missing: Missing): void {
  switch (missing.kind) {
    case 'human': {
      const { uuid, content } = missing.entry;
      draft.event('humanMessage', { messageId: uuid, content, deviceId: TERMINAL, promptId: uuid }, uuid);
      countMessage(draft, uuid);
      return;
    }
    case 'block':
      sayBlock(draft, missing);
      return;
    case 'toolResult':
      toolResultEvent(draft, missing.entry);
  }
}

type MissingBlock = Extract<Missing, { kind: 'block' }>;

function sayBlock(draft: Draft, { entry, blockIndex, isNewMessage, isNewToolUse }: MissingBlock): void {
  const { messageId, parentToolUseId, content } = entry;
  if (isNewMessage && parentToolUseId === undefined) countMessage(draft, messageId);
  const place = { messageId, blockIndex, ...(parentToolUseId !== undefined && { parentToolUseId }) };
  blockEvent(draft, { place, content, details: entry, partial: false });
  if (isNewToolUse && 'input' in content && 'id' in content) toolUseEvent(draft, place, content);
}

const countMessage = (draft: Draft, lastMessageId: string): void =>
  draft.updateRecord({ lastMessageId, messageCount: draft.state.record.messageCount + 1 });

/** A child that ends quietly later must not hide that something before it was not read. */
export function onOwed(state: SessionState, epoch: string, now: number): Step {
  const draft = new Draft(state, now);
  const { transcript, claudeSessionId = '' } = state.record;
  const nothing = { claudeSessionId, path: '', size: 0, mtimeMs: 0, epoch, seq: 0 };
  draft.updateRecord({ transcript: { ...(transcript ?? nothing), owed: true } });
  return draft.finish();
}

/** The record agrees with the transcript up to here. The mark's `seq` is that of the last event. */
export function onAgreed(state: SessionState, mark: Omit<TranscriptMark, 'seq'>, now: number): Step {
  const draft = new Draft(state, now);
  draft.clearRecord('joining');
  draft.updateRecord({ transcript: { ...mark, seq: state.head } });
  return draft.finish();
}
