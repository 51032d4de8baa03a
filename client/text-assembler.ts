import type { EventData } from '../protocol/events.js';
import type { PositionedData } from '../protocol/server-frames.js';

type StreamType = PositionedData<'streamData'>['streamType'];

/** What has become known of a block. */
export interface TextPiece {
  messageId: string;
  blockIndex: number;
  streamType: StreamType;
  parentToolUseId?: string;
  /** `append`: `text` follows what was known. `replace`: `text` takes the place of `previous`. */
  change: { kind: 'append'; text: string } | { kind: 'replace'; text: string; previous: string };
  /** Nothing more follows of this block. */
  complete: boolean;
}

interface Block {
  place: Omit<TextPiece, 'change' | 'complete'>;
  text: string;
  /** All deltas were joined. */
  complete: boolean;
  /** The event of the finished block is here: deltas have nothing more to say. */
  superseded: boolean;
}

/** So many blocks that are superseded are remembered, against deltas that come late. */
const MAX_SUPERSEDED = 256;

/**
 * Puts the text of messages together from deltas that may come twice, from the start again, or not at all. A delta is
 * joined where it continues the text; one that leaves a hole waits for a frame from the start or for the event of the
 * finished block. Offsets count UTF-16 units.
 */
export class TextAssembler {
  readonly #onPiece: (piece: TextPiece) => void;
  readonly #blocks = new Map<string, Block>();
  readonly #superseded: string[] = [];

  /** `onPiece` gets only what was not known before. */
  constructor(onPiece: (piece: TextPiece) => void) {
    this.#onPiece = onPiece;
  }

  /** What is known of a block's text; undefined for a block that nothing is known of. */
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

  /** An `assistantMessage` event: the whole block, which replaces what was streamed of it. */
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

/** How a text changes by a stretch of it that begins at `offset`; undefined when the stretch adds nothing. */
function join(known: string, offset: number, text: string): TextPiece['change'] | undefined {
  if (offset > known.length || text === '') return undefined;
  const overlap = known.slice(offset, offset + text.length);
  if (!text.startsWith(overlap)) {
    // Only a frame from the start is sure to be whole, and what is known never shrinks.
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
  // Of a text that is too long for a frame the event has lost the middle, and the deltas have not.
  if (text === undefined || text === known || (data.truncated && complete)) return undefined;
  return text.startsWith(known)
    ? { kind: 'append', text: text.slice(known.length) }
    : { kind: 'replace', text, previous: known };
}
