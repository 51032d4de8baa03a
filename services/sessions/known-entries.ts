/** Which entries of a transcript were said already: in the journal, or in what is added to it. */
import { createHash } from 'node:crypto';
import { headOfCut, isCutOf } from '../../protocol/bounded-data.js';
import type { ContentBlock } from '../../protocol/content.js';
import { foreignOf, NAMELESS, ownId } from '../../protocol/foreign-ids.js';
import { MAX_EVENT_DATA_BYTES } from '../../protocol/limits.js';
import type { TranscriptEntry } from '../ports/claude.js';
import type { KnownBlock, KnownContent } from '../ports/journal.js';

type Entry<Kind extends TranscriptEntry['kind']> = Extract<TranscriptEntry, { kind: Kind }>;

/** Something to be added; of a block with the index that it gets, and whether its message is a new one. */
export type Missing =
  | { kind: 'human'; entry: Entry<'human'> }
  | { kind: 'block'; entry: Entry<'block'>; blockIndex: number; isNewMessage: boolean; isNewToolUse: boolean }
  | { kind: 'toolResult'; entry: Entry<'toolResult'> };

/** What one page of a transcript leaves to the next: what stood for an entry there stands for none here. */
export interface Carried {
  /** Where in their messages blocks stand that stand for an entry. */
  taken: Map<string, ReadonlySet<number>>;
  takenResults: Set<string>;
  /** Under which ids messages of the transcript are added that are others than those of the journal with their id. */
  renamed: Map<string, string>;
  /** Tool uses whose results are to come, by foreign id. */
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
 * Entries are taken in the order of the conversation. Ids of messages and tools repeat with some gateways: there each
 * thing that was said stands for one entry, in whichever page of the transcript.
 */
export class Known {
  readonly #messages: Map<string, KnownBlock[]>;
  readonly #toolUses: Set<string>;
  readonly #toolResults: Set<string>;
  /** Blocks that stand for an entry. */
  readonly #taken = new Set<KnownBlock>();
  readonly #carried: Carried;
  readonly #seen = new Set<string>();

  /** `carried` is changed as entries are taken. */
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

  /** For the page after this one. */
  get carried(): Carried {
    const taken = new Map(this.#carried.taken);
    for (const [id, blocks] of this.#messages) {
      taken.set(id, new Set(blocks.flatMap((block, place) => (this.#taken.has(block) ? place : []))));
    }
    return { ...this.#carried, taken };
  }

  /** Whether it was said, if only in part. */
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

  /** Takes it for said from here on; undefined when it was. */
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

  /** A tool use that is added gets an id that none has. */
  #withToolId({ content, uuid }: Entry<'block'>, known: string | undefined): ContentBlock {
    const foreignId = toolIdOf(content);
    if (foreignId === undefined || !('id' in content)) return content;
    const isFree = foreignId !== '' && !this.#toolUses.has(foreignId);
    return { ...content, id: known || (isFree ? foreignId : ownId(foreignId, digestOf(uuid))) };
  }

  /** The message to which a block is added. One with its id that was over before the transcript was read last is another. */
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
   * The block of the journal that this one is: the same, else a part of it, else one of its kind in its place. Places
   * are compared last, for a transcript need not have every block that was streamed.
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

/** Of a line of the transcript. */
function keyOf(entry: TranscriptEntry): string {
  const part = entry.kind === 'block' ? entry.blockIndex : entry.kind === 'toolResult' ? entry.toolId : '';
  return JSON.stringify([entry.kind, entry.uuid, part]);
}

/** A part of a block that was said again as a whole. */
const isMended = ({ partial, blockIndex }: KnownBlock, blocks: readonly KnownBlock[]): boolean =>
  partial && blocks.some((other) => !other.partial && other.blockIndex === blockIndex);

const digestOf = (uuid: string): string => createHash('sha256').update(uuid).digest('hex');

const toolIdOf = (block: ContentBlock | undefined): string | undefined =>
  block && 'id' in block && block.type === 'tool_use' ? block.id : undefined;

/** A tool use is known by its id: its input may have been changed by who allowed it. */
function isSame({ content: [one], isCut }: KnownBlock, other: ContentBlock): boolean {
  const toolId = toolIdOf(other);
  if (toolId !== undefined && typeof inputOf(one) !== 'string') return isSameTool(toolIdOf(one), toolId);
  if (isCut) return isCutOf(one, other, MAX_EVENT_DATA_BYTES);
  return JSON.stringify(one) === JSON.stringify(other);
}

const isSameTool = (own: string | undefined, foreignId: string): boolean =>
  own !== undefined && foreignOf(own) === (foreignId || NAMELESS);

/** Rather a text that differs in something is left as it is than said twice. */
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
