import { createHash } from 'node:crypto';
import { ownId } from '../../../protocol/foreign-ids.js';
import { wellFormed } from '../../../protocol/plain-text.js';
import { withoutHalf } from '../../../protocol/stream-data.js';
import type {
  BlockDetails,
  BlockPlace,
  CliFact,
  CutBlock,
  MessageStart,
  OpenBlock,
  StreamType,
} from '../../ports/claude.js';
import type { CliAssistant, CliBlock, CliStreamEvent } from './cli-lines.js';
import { cutContent, isBlank, toContentBlock } from './content-blocks.js';

/** A message that the CLI is writing: whole lines for completed blocks, deltas for the others. */
interface OpenMessage {
  /** Unique within the session. */
  id: string;
  /** The CLI's id; absent where it gives none. */
  foreign: string | undefined;
  /** It began with a stream event, and ends with one. */
  streamed: boolean;
  startOffset: number;
  parentToolUseId?: string;
  /** By index. Blocks that arrived as a whole line are removed. */
  blocks: Map<number, AssembledBlock>;
  /** Greater than every index that was assigned to a whole line. */
  delivered: number;
}

interface AssembledBlock {
  open: OpenBlock;
  /** Its type is known. */
  typed: boolean;
  /** The API has ended it. Its whole line comes before that (2.1.197 to 2.1.332). */
  stopped: boolean;
  /** The first half of a surrogate pair (UTF-16) whose second half is still to come: no frame can hold one alone. */
  half: string;
}

const MAIN = '';
/** A whole line of any other type can belong to any block. */
const KINDS = new Set(['text', 'thinking', 'redacted_thinking', 'tool_use', 'server_tool_use']);

export interface MessageAssemblerOptions {
  childId: string;
  /** Whether an earlier message of the session has this id. */
  isTaken: (start: MessageStart) => boolean;
}

/**
 * Combines the CLI's stream events and whole-block lines: which block of which message each belongs to, and the text so
 * far of the open ones. The main conversation and each subagent write one message at a time, interleaved.
 */
export class MessageAssembler {
  readonly #open = new Map<string, OpenMessage>();
  readonly #names: MessageNames;

  constructor(options: MessageAssemblerOptions) {
    this.#names = new MessageNames(options);
  }

  /** Start of the oldest open message, or undefined. */
  oldestStart(): number | undefined {
    let oldest: number | undefined;
    for (const { startOffset } of this.#open.values()) {
      if (oldest === undefined || startOffset < oldest) oldest = startOffset;
    }
    return oldest;
  }

  openBlocks(): OpenBlock[] {
    return [...this.#open.values()].flatMap(({ blocks }) => [...blocks.values()].map(({ open }) => open));
  }

  streamEvent(line: CliStreamEvent, offset: number): CliFact[] {
    const { event } = line;
    const key = line.parent_tool_use_id ?? MAIN;
    switch (event.type ?? '') {
      case 'message_start':
        return this.#start({ key, foreign: event.message?.id, offset, streamed: true });
      case 'content_block_start':
        return this.#startBlock(key, event);
      case 'content_block_delta':
        return this.#delta(key, event);
      case 'content_block_stop':
        return this.#stopBlock(key, event);
      case 'message_stop':
        return this.#stop(key);
      default:
        return [];
    }
  }

  wholeBlocks(line: CliAssistant, offset: number): CliFact[] {
    const key = line.parent_tool_use_id ?? MAIN;
    const { id: foreign, content } = line.message;
    const open = this.#open.get(key);
    const goesOn = open && (open.foreign === foreign || (open.streamed && !(open.foreign && foreign)));
    const facts = goesOn ? [] : this.#start({ key, foreign, offset, streamed: false });
    const message = this.#open.get(key);
    if (message) for (const block of content) facts.push(...deliver({ message, block, line }));
    return facts;
  }

  /** The content of the open blocks if no more output followed. */
  cutBlocks(): CutBlock[] {
    return this.openBlocks().map(cutOf);
  }

  /** This parent's conversation has moved on: its open blocks were interrupted. */
  cut(parentToolUseId: string | undefined): CliFact[] {
    return this.#stop(parentToolUseId ?? MAIN);
  }

  /** The main conversation received input: a message without an end of its own is complete. */
  endWhole(): CliFact[] {
    return this.#open.get(MAIN)?.streamed === false ? this.#stop(MAIN) : [];
  }

  #start({
    key,
    foreign,
    offset,
    streamed,
  }: {
    key: string;
    foreign: string | undefined;
    offset: number;
    streamed: boolean;
  }) {
    const facts = this.#stop(key);
    const parent = key === MAIN ? {} : { parentToolUseId: key };
    const id = this.#names.nameOf({ foreign, offset, ...parent });
    this.#open.set(key, { id, foreign, streamed, startOffset: offset, blocks: new Map(), delivered: 0, ...parent });
    return facts;
  }

  #startBlock(key: string, { index, content_block: content }: CliStreamEvent['event']): CliFact[] {
    const message = this.#open.get(key);
    if (!message || index === undefined || index < message.delivered) return [];
    const { type, id = '', name } = content ?? {};
    const streamType = streamTypeOf(type ?? 'text');
    const open: OpenBlock = {
      ...placeOf(message, index),
      streamType,
      text: '',
      ...(name !== undefined && { tool: { id, name } }),
    };
    message.blocks.set(index, { open, typed: type !== undefined && KINDS.has(type), stopped: false, half: '' });
    return [{ kind: 'blockStarted', block: open }];
  }

  #delta(key: string, event: CliStreamEvent['event']): CliFact[] {
    const block = this.#blockOf(key, event);
    const { delta } = event;
    const written = delta?.text ?? delta?.thinking ?? delta?.partial_json;
    if (!block || !written) return [];
    const { open } = block;
    const all = block.half + written;
    const whole = withoutHalf(all);
    const text = wellFormed(whole);
    const offset = open.text.length;
    open.text += text;
    block.half = all.slice(whole.length);
    return text === '' ? [] : [{ kind: 'delta', block: open, offset, text }];
  }

  /** The CLI sends no line for blank text: the block ends without content. */
  #stopBlock(key: string, event: CliStreamEvent['event']): CliFact[] {
    const block = this.#blockOf(key, event);
    if (!block) return [];
    block.stopped = true;
    if (block.open.streamType !== 'assistant_message' || !isBlank(block.open.text)) return [];
    this.#open.get(key)?.blocks.delete(block.open.blockIndex);
    return [{ kind: 'blockCut', cut: cutOf(block.open) }];
  }

  /** An event without an index refers to the block that is being written. */
  #blockOf(key: string, { index }: CliStreamEvent['event']): AssembledBlock | undefined {
    const blocks = this.#open.get(key)?.blocks;
    return index === undefined ? blocks && writtenOf(blocks) : blocks?.get(index);
  }

  #stop(key: string): CliFact[] {
    const message = this.#open.get(key);
    this.#open.delete(key);
    return message ? [...message.blocks.values()].map(({ open }) => ({ kind: 'blockCut', cut: cutOf(open) })) : [];
  }
}

const cutOf = (block: OpenBlock): CutBlock => ({ block, content: cutContent(block) });

const placeOf = (message: OpenMessage, blockIndex: number): BlockPlace => ({
  messageId: message.id,
  blockIndex,
  ...(message.parentToolUseId !== undefined && { parentToolUseId: message.parentToolUseId }),
});

function deliver({ message, block, line }: { message: OpenMessage; block: CliBlock; line: CliAssistant }): CliFact[] {
  const match = findStreamed(message.blocks, block)?.open;
  const index = match?.blockIndex ?? freeIndex(message);
  message.blocks.delete(index);
  message.delivered = Math.max(message.delivered, index + 1);
  const content = toContentBlock(block);
  if (content.type === 'text' && isBlank(block.text)) return match ? [{ kind: 'blockCut', cut: cutOf(match) }] : [];
  const { model, usage } = line.message;
  const details: BlockDetails = {
    aborted: line.aborted ?? false,
    streamType: streamTypeOf(block.type),
    ...(match && { streamedLength: match.text.length }),
    ...(model !== undefined && { model }),
    ...(usage !== undefined && { usage }),
    ...(line.error !== undefined && { apiError: line.error }),
  };
  return [{ kind: 'block', place: placeOf(message, index), content, details }];
}

/**
 * The streamed block of a whole line: the one that is being written, else one with the same content, else one whose
 * text it continues. No other hint exists: the line has no index, and the CLI omits some blocks.
 */
function findStreamed(blocks: ReadonlyMap<number, AssembledBlock>, block: CliBlock): AssembledBlock | undefined {
  const streamType = streamTypeOf(block.type);
  const ofKind = [...blocks.values()].filter(({ open, typed }) => !typed || open.streamType === streamType);
  const written = ofKind.findLast(({ stopped }) => !stopped);
  if (written) return written;
  const text = block.text ?? block.thinking ?? '';
  const isSame = ({ open }: AssembledBlock) =>
    open.tool && block.id !== undefined ? open.tool.id === block.id : open.text === text;
  return (
    ofKind.find(isSame) ?? ofKind.find(({ open }) => !open.tool && !isBlank(open.text) && text.startsWith(open.text))
  );
}

/** The last block that was begun and has not ended. */
const writtenOf = (blocks: ReadonlyMap<number, AssembledBlock>): AssembledBlock | undefined =>
  [...blocks.values()].findLast(({ stopped }) => !stopped);

function freeIndex({ blocks, delivered }: OpenMessage): number {
  let index = delivered;
  while (blocks.has(index)) index += 1;
  return index;
}

function streamTypeOf(blockType: string): StreamType {
  if (blockType.includes('thinking')) return 'thinking';
  return blockType.includes('tool_use') ? 'tool_input' : 'assistant_message';
}

/** More than one read of the output can begin: earlier messages are in the journal. */
const MAX_RECENT = 4096;

interface MessageNamesOptions {
  childId: string;
  /** Whether an earlier message of the session has this id. */
  isTaken: (start: MessageStart) => boolean;
}

/** Names messages: the first one with a foreign id keeps it, and every other one gets a generated id. */
class MessageNames {
  readonly #options: MessageNamesOptions;
  /** Start offsets of the last messages, by foreign id: the journal has them a moment later. */
  readonly #recent = new Map<string, number>();

  constructor(options: MessageNamesOptions) {
    this.#options = options;
  }

  /** Returns the same name each time the message at this offset is read. */
  nameOf({
    foreign,
    offset,
    ...parent
  }: {
    foreign: string | undefined;
    offset: number;
    parentToolUseId?: string;
  }): string {
    const { childId, isTaken } = this.#options;
    const own = () => ownId(foreign, createHash('sha256').update(`${childId}/${offset}`).digest('hex'));
    if (foreign === undefined) return own();
    const isOther = this.#recent.has(foreign) && this.#recent.get(foreign) !== offset;
    if (isOther || isTaken({ messageId: foreign, childId, offset, ...parent })) return own();
    if (this.#recent.size >= MAX_RECENT) this.#recent.clear();
    this.#recent.set(foreign, offset);
    return foreign;
  }
}
