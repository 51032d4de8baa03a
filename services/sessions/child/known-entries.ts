/** Matches transcript entries with known content: in the journal, or about to be added to it. */
import { createHash } from 'node:crypto';
import { headOfCut, isCutOf } from '../../../protocol/bounded-data.js';
import type { ContentBlock } from '../../../protocol/content.js';
import { foreignOf, NAMELESS, ownId } from '../../../protocol/foreign-ids.js';
import { MAX_EVENT_DATA_BYTES } from '../../../protocol/limits.js';
import type { KnownBlock, KnownContent } from '../../ports/journal.js';
import type { TranscriptEntry } from '../../ports/transcripts.js';

type Entry<Kind extends TranscriptEntry['kind']> = Extract<TranscriptEntry, { kind: Kind }>;

/** An item to add; for a block, with its new index and whether its message is new. */
export type Missing =
  | { kind: 'human'; entry: Entry<'human'> }
  | { kind: 'block'; entry: Entry<'block'>; blockIndex: number; isNewMessage: boolean; isNewToolUse: boolean }
  | { kind: 'toolResult'; entry: Entry<'toolResult'> };

/** State passed from one page of a transcript to the next, so that content matched on one page is not matched again. */
export interface Carried {
  /** Positions, within their messages, of blocks already matched with an entry. */
  taken: Map<string, ReadonlySet<number>>;
  takenResults: Set<string>;
  /** New ids of transcript messages whose id belongs to a different message of the journal. */
  renamed: Map<string, string>;
  /** Tool uses still without results, by foreign id. */
  running: Map<string, string[]>;
}

const nothingCarried = (): Carried => ({
  taken: new Map(),
  takenResults: new Set(),
  renamed: new Map(),
  running: new Map(),
});

interface Match {
  messageId: string;
  block: KnownBlock;
}

/**
 * Entries are matched in the order of the conversation. Some gateways repeat the ids of messages and tools: there, each
 * recorded item matches only one entry, across all pages of the transcript.
 */
export class Known {
  readonly #messages: Map<string, KnownBlock[]>;
  readonly #toolUses: Set<string>;
  readonly #toolResults: Set<string>;
  /** Blocks already matched with an entry. */
  readonly #taken = new Set<KnownBlock>();
  readonly #carried: Carried;
  readonly #seen = new Set<string>();

  /** `carried` is modified as entries are taken. */
  constructor({ messages, toolUses, toolResults }: KnownContent, carried: Carried = nothingCarried()) {
    this.#carried = carried;
    this.#messages = new Map(
      [...messages].map(([id, blocks]) => [id, blocks.filter((block) => !isMended(block, blocks))]),
    );
    this.#toolUses = new Set(toolUses);
    this.#toolResults = new Set([...toolResults].filter((toolId) => !carried.takenResults.has(toolId)));
    for (const [id, blocks] of this.#messages) {
      const slots = carried.taken.get(id);
      for (const [place, block] of blocks.entries()) if (slots?.has(place)) this.#taken.add(block);
    }
  }

  /** The state for the next page. */
  get carried(): Carried {
    const taken = new Map(this.#carried.taken);
    for (const [id, blocks] of this.#messages) {
      taken.set(id, new Set(blocks.flatMap((block, place) => (this.#taken.has(block) ? place : []))));
    }
    return { ...this.#carried, taken };
  }

  /** Whether the entry is known, at least in part. */
  has(entry: TranscriptEntry): boolean {
    switch (entry.kind) {
      case 'human':
        return this.#messages.has(entry.uuid);
      case 'toolResult':
        return this.#saidResult(entry.toolId || NAMELESS) !== undefined;
      case 'block':
        return this.#match(entry) !== undefined;
    }
  }

  /** Marks the entry as known; undefined when it already was. */
  take(entry: TranscriptEntry): Missing | undefined {
    const key = keyOf(entry);
    if (this.#seen.has(key)) return undefined;
    this.#seen.add(key);
    switch (entry.kind) {
      case 'human':
        return this.#takeHuman(entry);
      case 'toolResult':
        return this.#takeResult(entry);
      case 'block':
        return this.#takeBlock(entry);
    }
  }

  #takeHuman(entry: Entry<'human'>): Missing | undefined {
    if (this.#messages.has(entry.uuid)) return undefined;
    this.#messages.set(entry.uuid, []);
    return { kind: 'human', entry };
  }

  #takeResult(entry: Entry<'toolResult'>): Missing | undefined {
    const foreignId = entry.toolId || NAMELESS;
    const toolId = this.#carried.running.get(foreignId)?.shift() ?? this.#saidResult(foreignId) ?? foreignId;
    this.#carried.takenResults.add(toolId);
    if (this.#toolResults.delete(toolId)) return undefined;
    return { kind: 'toolResult', entry: { ...entry, toolId } };
  }

  #saidResult = (foreignId: string): string | undefined =>
    [...this.#toolResults].find((toolId) => foreignOf(toolId) === foreignId);

  #takeBlock(entry: Entry<'block'>): Missing | undefined {
    const match = this.#match(entry);
    const { block } = match ?? {};
    if (block) this.#taken.add(block);
    const foreignTool = toolIdOf(entry.content);
    if (block && (!block.partial || isSame(block, entry.content))) {
      this.#run(foreignTool, toolIdOf(block.content[0]));
      return undefined;
    }
    const messageId = match?.messageId ?? this.#nameOf(entry);
    const blocks = this.#messages.get(messageId) ?? [];
    const blockIndex = block?.blockIndex ?? freeIndex(blocks, entry.blockIndex);
    const content = this.#withToolId(entry, toolIdOf(block?.content[0]));
    const whole: KnownBlock = { blockIndex, content: [content], partial: false };
    this.#taken.add(whole);
    this.#messages.set(messageId, [...blocks.filter((one) => one !== block), whole]);
    const toolId = toolIdOf(content);
    const isNewToolUse = toolId !== undefined && !this.#toolUses.has(toolId);
    if (toolId !== undefined) this.#toolUses.add(toolId);
    this.#run(foreignTool, toolId);
    const added = { ...entry, messageId, content };
    return { kind: 'block', entry: added, blockIndex, isNewMessage: blocks.length === 0, isNewToolUse };
  }

  #run(foreignId: string | undefined, toolId: string | undefined): void {
    if (foreignId === undefined || toolId === undefined) return;
    const name = foreignId || NAMELESS;
    this.#carried.running.set(name, [...(this.#carried.running.get(name) ?? []), toolId]);
  }

  /** An added tool use gets an unused id. */
  #withToolId({ content, uuid }: Entry<'block'>, known: string | undefined): ContentBlock {
    const foreignId = toolIdOf(content);
    if (foreignId === undefined || !('id' in content)) return content;
    const isFree = foreignId !== '' && !this.#toolUses.has(foreignId);
    return { ...content, id: known || (isFree ? foreignId : ownId(foreignId, digestOf(uuid))) };
  }

  /** The message to which a block is added. One with its id that ended before the last read is a different message. */
  #nameOf({ messageId, uuid }: Entry<'block'>): string {
    const renamed = this.#carried.renamed.get(messageId);
    if (renamed !== undefined) return renamed;
    const blocks = this.#messages.get(messageId) ?? [];
    const isOther = blocks.length > 0 && blocks.every(({ isLate }) => isLate === false);
    const name = isOther ? ownId(foreignOf(messageId), digestOf(uuid)) : messageId;
    this.#carried.renamed.set(messageId, name);
    return name;
  }

  /**
   * The journal's block for this entry: an equal one, else a part of it, else one of the same kind at its position.
   * Positions are compared last, since a transcript need not contain every streamed block.
   */
  #match({ messageId, blockIndex, content }: Entry<'block'>): Match | undefined {
    const own = this.#blocksOf([messageId, this.#carried.renamed.get(messageId) ?? messageId]);
    const foreign = foreignOf(messageId);
    const others = this.#blocksOf([...this.#messages.keys()].filter((id) => foreignOf(id) === foreign));
    const all = [...own, ...others];
    return (
      all.find(({ block }) => !block.partial && isSame(block, content)) ??
      all.find(({ block }) => block.partial && isPart(block, content)) ??
      own.find(
        ({ block }) => block.isLate !== false && block.blockIndex === blockIndex && isOfKind(block.content[0], content),
      )
    );
  }

  #blocksOf(messageIds: readonly string[]): Match[] {
    return [...new Set(messageIds)].flatMap((messageId) =>
      (this.#messages.get(messageId) ?? []).flatMap((block) => (this.#taken.has(block) ? [] : { messageId, block })),
    );
  }
}

/** Identifies a line of the transcript. */
function keyOf(entry: TranscriptEntry): string {
  const part = entry.kind === 'block' ? entry.blockIndex : entry.kind === 'toolResult' ? entry.toolId : '';
  return JSON.stringify([entry.kind, entry.uuid, part]);
}

/** A partial block that was later repeated as a whole. */
const isMended = ({ partial, blockIndex }: KnownBlock, blocks: readonly KnownBlock[]): boolean =>
  partial && blocks.some((other) => !other.partial && other.blockIndex === blockIndex);

const digestOf = (uuid: string): string => createHash('sha256').update(uuid).digest('hex');

const toolIdOf = (block: ContentBlock | undefined): string | undefined =>
  block && 'id' in block && block.type === 'tool_use' ? block.id : undefined;

/** A tool use is identified by its id: the person who allowed it can have changed its input. */
function isSame({ content: [one], isCut }: KnownBlock, other: ContentBlock): boolean {
  const toolId = toolIdOf(other);
  if (toolId !== undefined && typeof inputOf(one) !== 'string') return isSameTool(toolIdOf(one), toolId);
  if (isCut) return isCutOf(one, other, MAX_EVENT_DATA_BYTES);
  return JSON.stringify(one) === JSON.stringify(other);
}

const isSameTool = (own: string | undefined, foreignId: string): boolean =>
  own !== undefined && foreignOf(own) === (foreignId || NAMELESS);

/** Leaving a text that differs in details is better than repeating it. */
const isOfKind = (one: ContentBlock | undefined, other: ContentBlock): boolean =>
  one?.type === other.type && other.type !== 'tool_use';

const inputOf = (block: ContentBlock | undefined): unknown => (block && 'input' in block ? block.input : undefined);

function isPart({ content: [part], isCut }: KnownBlock, whole: ContentBlock): boolean {
  if (!part || part.type !== whole.type) return false;
  const toolId = toolIdOf(whole);
  if (toolId !== undefined) return isSameTool(toolIdOf(part), toolId);
  return textOf(whole).startsWith(isCut ? headOfCut(textOf(part)) : textOf(part));
}

const textOf = (block: ContentBlock): string => ('text' in block ? (block.text ?? '') : '');

function freeIndex(blocks: readonly KnownBlock[], wanted: number): number {
  const taken = blocks.map(({ blockIndex = 0 }) => blockIndex);
  return taken.includes(wanted) ? Math.max(...taken) + 1 : wanted;
}
