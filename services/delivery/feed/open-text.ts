import type { BlockPosition } from '../../../protocol/client-frames.js';
import type { EventData } from '../../../protocol/events.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { PositionedData } from '../../../protocol/server-frames.js';
import { continuesText, joinText, withoutHalf } from '../../../protocol/stream-data.js';
import type { OpenBlock } from '../../ports/claude.js';
import type { EventRecord } from '../../ports/records.js';
import { type Frame, fitsEventFrame, positionedFrame, type StreamSink } from '../frames.js';

type StreamData = PositionedData<'streamData'>;

export interface OpenTextOptions {
  sessionId: SessionId;
  sink: StreamSink;
  /** Minimum time between two text frames, in milliseconds; 0: none. */
  intervalMs: () => number;
  openBlocks: () => readonly OpenBlock[];
  /** The device's positions in blocks that were open when it was last connected. */
  known: readonly BlockPosition[];
  /** Text before the offered piece has not been sent: the stream has to catch up. */
  onGap: () => void;
}

/** UTF-16 units per frame of missed text. */
const PIECE_UNITS = 32 * 1024;
/** How long text is held to be joined when the reader lags. */
const LAG_MS = 20;
/** Maximum number of known blocks; the CLI writes one for each active subagent. */
const MAX_BLOCKS = 64;

/**
 * The text of open blocks on one stream: tracks the sent position of each, so that every piece is sent once and
 * continues the text before it. Text that a late or slow reader missed follows in pieces as the reader drains.
 */
export class OpenText {
  readonly #options: OpenTextOptions;
  /** Created when text first has to wait. */
  #held: DeltaCoalescer | undefined;
  #sent: BlockPosition[];
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(options: OpenTextOptions) {
    this.#options = options;
    this.#sent = options.known.map((position) => ({ ...position }));
  }

  /** A piece that was just written, with the frame shared by all streams. */
  offer(data: StreamData, frame: Frame): void {
    const waitMs = this.#waitMs();
    if (waitMs > 0 || this.#held?.isHolding) {
      this.#held ??= new DeltaCoalescer((pieces) => this.#sendHeld(pieces));
      this.#held.hold(data, waitMs);
      return;
    }
    this.#send(data, frame);
  }

  #waitMs(): number {
    const { sink, intervalMs } = this.#options;
    const leastMs = intervalMs();
    const tooSoonMs = leastMs === 0 ? 0 : this.#sentAt + leastMs - performance.now();
    return Math.max(tooSoonMs, sink.lagging ? LAG_MS : 0);
  }

  /** Sends the held text before something that must follow it. */
  flush(): void {
    this.#held?.flush();
  }

  /** Discards the held text: the stream has to catch up. */
  drop(): void {
    this.#held?.drop();
  }

  /** The device discards everything it knows of the session. */
  reset(): void {
    this.#sent = [];
  }

  /** UTF-16 units that `catchUp` would send now. */
  get owed(): number {
    const open = this.#open();
    return open.reduce((sum, block) => sum + block.text.length - (this.#find(block)?.offset ?? 0), 0);
  }

  /** Sends the unsent text of open blocks. False: not all of it fitted. */
  catchUp(isFull: () => boolean): boolean {
    return this.#open().every((block) => this.#sendRest(block, isFull));
  }

  /**
   * A block has ended and its event follows. If the event is too long for its frame, a device in the middle of the text
   * gets the rest of it first. False: not all of it fitted.
   */
  finish(event: EventRecord, isFull: () => boolean): boolean {
    if (!this.#sent.some(({ messageId }) => messageId === event.messageId)) return true;
    const data = JSON.parse(event.data) as EventData<'assistantMessage'>;
    const position = this.#find(data);
    if (!position) return true;
    const block = fitsEventFrame(event.data) ? undefined : textBlockOf(data);
    if (block && position.offset <= block.text.length) {
      if (!this.#sendRest(block, isFull)) return false;
      this.#sendPiece(block, { offset: position.offset, text: '', isComplete: true });
    }
    this.#forget(data);
    return true;
  }

  /** The blocks that are being written. A position outside its block is ignored. */
  #open(): readonly OpenBlock[] {
    const open = this.#options.openBlocks();
    for (const block of open) {
      const position = this.#find(block);
      if (position && !isWithin(block.text, position.offset)) this.#forget(block);
    }
    return open;
  }

  #sendHeld(pieces: StreamData[]): void {
    for (const data of pieces) {
      if (!this.#send(data, positionedFrame({ type: 'streamData', data }))) return;
    }
  }

  /** False when earlier text is missing: the stream catches up. */
  #send(data: StreamData, frame: Frame): boolean {
    const from = this.#find(data)?.offset ?? 0;
    const { offset, isComplete } = data;
    const end = offset + data.content.text.length;
    if (offset > from) return this.#lacks(data);
    if (isComplete) this.#forget(data);
    else if (end <= from) return true;
    else this.#move(data, end);
    if (this.#options.intervalMs() > 0) this.#sentAt = performance.now();
    this.#options.sink.send(offset < from && from <= end ? trimmed(data, from) : frame);
    return true;
  }

  /** A block that is no longer open arrives with its event: one that ends here is read with what precedes its event. */
  #lacks(data: StreamData): boolean {
    const isReadable = data.isComplete || this.#options.openBlocks().some((block) => isSame(block, data));
    if (isReadable) this.#options.onGap();
    return !isReadable;
  }

  #sendRest(block: OpenBlock, isFull: () => boolean): boolean {
    let offset = this.#find(block)?.offset;
    while (offset === undefined || offset < block.text.length) {
      if (isFull()) return false;
      const from = offset ?? 0;
      const text = pieceOf(block.text.slice(from, from + PIECE_UNITS));
      this.#sendPiece(block, { offset: from, text, isComplete: false });
      offset = from + text.length;
      this.#move(block, offset);
    }
    return true;
  }

  #sendPiece(block: OpenBlock, { offset, text, isComplete }: { offset: number; text: string; isComplete: boolean }) {
    const { sessionId, sink } = this.#options;
    const { streamType, messageId, blockIndex, parentToolUseId } = block;
    const content = { type: 'text' as const, text };
    const parent = parentToolUseId === undefined ? {} : { parentToolUseId };
    const data = { sessionId, streamType, messageId, blockIndex, ...parent, isComplete, offset, content };
    sink.send(positionedFrame({ type: 'streamData', data }));
  }

  #find(block: Place): BlockPosition | undefined {
    return this.#sent.find((position) => isSame(position, block));
  }

  #move({ messageId, blockIndex }: Place, offset: number): void {
    const known = this.#find({ messageId, blockIndex });
    if (known) known.offset = offset;
    else this.#sent.push({ messageId, blockIndex, offset });
    if (this.#sent.length > MAX_BLOCKS) this.#sent.shift();
  }

  #forget(block: Place): void {
    this.#sent = this.#sent.filter((position) => !isSame(position, block));
  }
}

type Place = Pick<BlockPosition, 'messageId' | 'blockIndex'>;

const isSame = (one: Place, other: Place): boolean =>
  one.blockIndex === other.blockIndex && one.messageId === other.messageId;

/** Neither beyond the end nor in the middle of a character. */
const isWithin = (text: string, offset: number): boolean =>
  offset <= text.length && !/[\ud800-\udbff][\udc00-\udfff]/.test(text.slice(Math.max(0, offset - 1), offset + 1));

/** A character that would be split is left to the next piece. */
const pieceOf = (text: string): string => (text.length > 1 ? withoutHalf(text) : text);

const trimmed = (data: StreamData, from: number): Frame => {
  const content = { type: 'text' as const, text: data.content.text.slice(from - data.offset) };
  return positionedFrame({ type: 'streamData', data: { ...data, offset: from, content } });
};

/** A finished text or thought, in the form in which it was streamed. */
function textBlockOf({ messageId, blockIndex, parentToolUseId, content: [block] }: EventData<'assistantMessage'>) {
  if (!block || !('text' in block) || block.text === undefined) return undefined;
  const streamType = block.type === 'thinking' ? ('thinking' as const) : ('assistant_message' as const);
  return {
    messageId,
    blockIndex,
    streamType,
    text: block.text,
    ...(parentToolUseId !== undefined && { parentToolUseId }),
  };
}

/** Held text above this many UTF-16 units is sent early. */
const MAX_HELD = 32 * 1024;

/**
 * Buffers text for a reader that lags or wants fewer frames. Each piece continues the last one or begins another block.
 */
class DeltaCoalescer {
  readonly #flush: (pieces: StreamData[]) => void;
  #held: StreamData[] = [];
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(flush: (pieces: StreamData[]) => void) {
    this.#flush = flush;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** The piece is sent after this many milliseconds, or together with text already held. */
  hold(piece: StreamData, ms: number): void {
    const last = this.#held.at(-1);
    if (last && continuesText(last, piece)) this.#held[this.#held.length - 1] = joinText(last, piece);
    else this.#held.push(piece);
    this.#length += piece.content.text.length;
    if (this.#length > MAX_HELD) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), ms).unref();
  }

  /** Sends the held text before something that must follow it. */
  flush(): void {
    if (!this.isHolding) return;
    const pieces = this.#held;
    this.drop();
    this.#flush(pieces);
  }

  /** Discards the held text, which will be sent again from its beginning. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = [];
    this.#length = 0;
  }
}
