import type { EventData } from '../protocol/events.js';
import type { PositionedData } from '../protocol/server-frames.js';

type StreamType = PositionedData<'streamData'>['streamType'];

/** New text of a block. */
export interface TextPiece {
  messageId: string;
  blockIndex: number;
  streamType: StreamType;
  parentToolUseId?: string;
  /** `append`: `text` follows the known text. `replace`: `text` replaces `previous`. */
  change: { kind: 'append'; text: string } | { kind: 'replace'; text: string; previous: string };
  /** No more of this block follows. */
  complete: boolean;
}

interface Block {
  place: Omit<TextPiece, 'change' | 'complete'>;
  text: string;
  /** All deltas were joined. */
  complete: boolean;
  /** The event of the finished block has arrived: deltas are no longer needed. */
  superseded: boolean;
}

/** Number of superseded blocks that are remembered, against late deltas. */
const MAX_SUPERSEDED = 256;

/**
 * Assembles the text of messages from deltas that can arrive twice, again from the start, or not at all. A delta is
 * joined where it continues the text; one that leaves a gap waits for a frame from the start or for the event of the
 * finished block. Offsets count UTF-16 units.
 */
export class TextAssembler {
  readonly #onPiece: (piece: TextPiece) => void;
  readonly #blocks = new Map<string, Block>();
  readonly #superseded: string[] = [];

  /** `onPiece` receives only new text. */
  constructor(onPiece: (piece: TextPiece) => void) {
    this.#onPiece = onPiece;
  }

  /** The known text of a block; undefined for an unknown block. */
  text(messageId: string, blockIndex: number): string | undefined {
    return this.#blocks.get(keyOf(messageId, blockIndex))?.text;
  }

  /** A `streamData` frame. */
  delta(data: PositionedData<'streamData'>): void {
    const block = this.#block(data, data.streamType);
    if (block.superseded || block.complete) return;
    const { offset, content, isComplete } = data;
    const change = join(block.text, offset, content.text);
    if (change) block.text = change.kind === 'append' ? block.text + change.text : change.text;
    // A block whose end is known but not all before it stays open for the event.
    block.complete = isComplete && offset + content.text.length === block.text.length;
    if (change || block.complete) this.#tell(block, change ?? { kind: 'append', text: '' });
  }

  /** An `assistantMessage` event: the whole block, which replaces its streamed text. */
  message(data: EventData<'assistantMessage'>): void {
    const [content] = data.content;
    const block = this.#block(data, streamTypeOf(content?.type));
    if (block.superseded) return;
    const wasComplete = block.complete;
    const change = finalChange(block, data);
    if (change) block.text = change.kind === 'append' ? block.text + change.text : change.text;
    block.complete = true;
    this.#supersede(block);
    if (change || !wasComplete) this.#tell(block, change ?? { kind: 'append', text: '' });
  }

  #tell({ place, complete }: Block, change: TextPiece['change']): void {
    this.#onPiece({ ...place, change, complete });
  }

  #block({ messageId, blockIndex, parentToolUseId }: BlockPlace, streamType: StreamType): Block {
    const key = keyOf(messageId, blockIndex);
    const known = this.#blocks.get(key);
    if (known) return known;
    const place = { messageId, blockIndex, streamType, ...(parentToolUseId !== undefined && { parentToolUseId }) };
    const block = { place, text: '', complete: false, superseded: false };
    this.#blocks.set(key, block);
    return block;
  }

  #supersede(block: Block): void {
    block.superseded = true;
    this.#superseded.push(keyOf(block.place.messageId, block.place.blockIndex));
    const oldest = this.#superseded.length > MAX_SUPERSEDED ? this.#superseded.shift() : undefined;
    if (oldest !== undefined) this.#blocks.delete(oldest);
  }
}

interface BlockPlace {
  messageId: string;
  blockIndex: number;
  parentToolUseId?: string | undefined;
}

const keyOf = (messageId: string, blockIndex: number) => `${blockIndex}/${messageId}`;

const streamTypeOf = (type: string | undefined): StreamType =>
  type === 'thinking' ? 'thinking' : type === 'tool_use' ? 'tool_input' : 'assistant_message';

/** How a piece at `offset` changes a text; undefined when it adds nothing. */
function join(known: string, offset: number, text: string): TextPiece['change'] | undefined {
  if (offset > known.length || text === '') return undefined;
  const overlap = known.slice(offset, offset + text.length);
  if (!text.startsWith(overlap)) {
    // Only a frame from the start is certainly complete, and the known text never shrinks.
    return offset === 0 && text.length >= known.length ? { kind: 'replace', text, previous: known } : undefined;
  }
  const added = text.slice(overlap.length);
  return added === '' ? undefined : { kind: 'append', text: added };
}

function finalChange(
  { text: known, complete }: Block,
  data: EventData<'assistantMessage'>,
): TextPiece['change'] | undefined {
  const [content] = data.content;
  const text = content && 'text' in content ? content.text : undefined;
  // The event of a text that is too long for a frame lacks the middle, which the deltas contain.
  if (text === undefined || text === known || (data.truncated && complete)) return undefined;
  return text.startsWith(known)
    ? { kind: 'append', text: text.slice(known.length) }
    : { kind: 'replace', text, previous: known };
}
