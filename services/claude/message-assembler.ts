import { withoutHalf } from '../../protocol/stream-data.js';
import type { BlockDetails, BlockPlace, CliFact, CutBlock, OpenBlock, StreamType } from '../ports/claude.js';
import type { CliAssistant, CliBlock, CliStreamEvent } from './cli-lines.js';
import { cutContent, toContentBlock } from './content-blocks.js';

/** A message that the CLI is writing: whole lines for blocks that have ended, deltas for those that have not. */
interface OpenMessage {
  id: string;
  startOffset: number;
  parentToolUseId?: string;
  blocks: Map<number, WrittenBlock>;
  /** Blocks that came as a whole line. */
  delivered: number;
}

interface WrittenBlock extends OpenBlock {
  /** The first half of a character (UTF-16) whose second half is still to come: no frame can hold one alone. */
  half?: string;
}

const MAIN = '';

/**
 * Puts the CLI's stream events and whole-block lines together: which block of which message each belongs to, and the
 * text so far of those still open. The main conversation and each subagent write one message at a time, interleaved.
 */
export class MessageAssembler {
  readonly #open = new Map<string, OpenMessage>();

  /** Start of the oldest message still open, or undefined. */
  oldestStart(): number | undefined {
    let oldest: number | undefined;
    for (const { startOffset } of this.#open.values()) {
      if (oldest === undefined || startOffset < oldest) oldest = startOffset;
    }
    return oldest;
  }

  openBlocks(): OpenBlock[] {
    return [...this.#open.values()].flatMap((message) => [...message.blocks.values()]);
  }

  streamEvent(line: CliStreamEvent, offset: number): CliFact[] {
    const { event } = line;
    const key = line.parent_tool_use_id ?? MAIN;
    switch (event.type) {
      case 'message_start':
        return event.message ? this.#start({ key, id: event.message.id, offset }) : [];
      case 'content_block_start':
        return this.#startBlock(key, event);
      case 'content_block_delta':
        return this.#delta(key, event);
      case 'message_stop':
        return this.#stop(key);
      default:
        return [];
    }
  }

  /** A whole block. It takes the place of the oldest streamed one of its kind that has none yet: the CLI keeps their order. */
  wholeBlocks(line: CliAssistant, offset: number): CliFact[] {
    const key = line.parent_tool_use_id ?? MAIN;
    const { id, content } = line.message;
    const facts = this.#open.get(key)?.id === id ? [] : this.#start({ key, id, offset });
    const message = this.#open.get(key);
    if (!message) return facts;
    for (const block of content) facts.push(deliver({ message, block, line }));
    return facts;
  }

  /** What would be left of the open blocks if nothing more came. */
  cutBlocks(): CutBlock[] {
    return this.openBlocks().map(cutOf);
  }

  /** The conversation of this parent has moved on: what is still open of it was cut short. */
  cut(parentToolUseId: string | undefined): CliFact[] {
    return this.#stop(parentToolUseId ?? MAIN);
  }

  #start({ key, id, offset }: { key: string; id: string; offset: number }): CliFact[] {
    const facts = this.#stop(key);
    this.#open.set(key, {
      id,
      startOffset: offset,
      blocks: new Map(),
      delivered: 0,
      ...(key !== MAIN && { parentToolUseId: key }),
    });
    return facts;
  }

  #startBlock(key: string, { index, content_block: content }: CliStreamEvent['event']): CliFact[] {
    const message = this.#open.get(key);
    if (!message || index === undefined || !content) return [];
    const streamType = streamTypeOf(content.type);
    const tool = content.id !== undefined && content.name !== undefined && { id: content.id, name: content.name };
    const block: OpenBlock = { ...placeOf(message, index), streamType, text: '', ...(tool && { tool }) };
    message.blocks.set(index, block);
    return [{ kind: 'blockStarted', block }];
  }

  #delta(key: string, { index, delta }: CliStreamEvent['event']): CliFact[] {
    const block = index === undefined ? undefined : this.#open.get(key)?.blocks.get(index);
    const written = delta?.text ?? delta?.thinking ?? delta?.partial_json;
    if (!block || !written) return [];
    const all = (block.half ?? '') + written;
    const text = withoutHalf(all);
    const offset = block.text.length;
    block.text += text;
    block.half = all.slice(text.length);
    return text === '' ? [] : [{ kind: 'delta', block, offset, text }];
  }

  #stop(key: string): CliFact[] {
    const message = this.#open.get(key);
    this.#open.delete(key);
    return message ? [...message.blocks.values()].map((block) => ({ kind: 'blockCut', cut: cutOf(block) })) : [];
  }
}

const cutOf = (block: OpenBlock): CutBlock => ({ block, content: cutContent(block) });

const placeOf = (message: OpenMessage, blockIndex: number): BlockPlace => ({
  messageId: message.id,
  blockIndex,
  ...(message.parentToolUseId !== undefined && { parentToolUseId: message.parentToolUseId }),
});

function deliver({ message, block, line }: { message: OpenMessage; block: CliBlock; line: CliAssistant }): CliFact {
  const streamType = streamTypeOf(block.type);
  const match = [...message.blocks.values()].find((open) => open.streamType === streamType);
  const index = match?.blockIndex ?? message.delivered;
  message.blocks.delete(index);
  message.delivered = Math.max(message.delivered, index + 1);
  const { model, usage } = line.message;
  const details: BlockDetails = {
    aborted: line.aborted ?? false,
    streamType,
    ...(match && { streamedLength: match.text.length }),
    ...(model !== undefined && { model }),
    ...(usage !== undefined && { usage }),
    ...(line.error !== undefined && { apiError: line.error }),
  };
  return { kind: 'block', place: placeOf(message, index), content: toContentBlock(block), details };
}

function streamTypeOf(blockType: string): StreamType {
  if (blockType.includes('thinking')) return 'thinking';
  return blockType.includes('tool_use') ? 'tool_input' : 'assistant_message';
}
