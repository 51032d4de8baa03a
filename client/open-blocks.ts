import type { BlockPosition, StreamPlace } from '../protocol/client-frames.js';
import type { PositionedData } from '../protocol/server-frames.js';

/** Maximum number of blocks that are written at once in a session; older positions are dropped. */
const MAX_BLOCKS = 16;

/**
 * The delivered length of each block that is being written, so that the next stream can omit that part. Kept for the
 * process's lifetime: the text itself is not kept.
 */
export class OpenBlocks {
  readonly #bySession = new Map<string, BlockPosition[]>();

  /** A frame with text was delivered. One that leaves a gap adds nothing. */
  handed({ sessionId, messageId, blockIndex, offset, content, isComplete }: PositionedData<'streamData'>): void {
    const others = this.#without(sessionId, { messageId, blockIndex });
    const known = this.#find(sessionId, { messageId, blockIndex })?.offset;
    if (isComplete) this.#set(sessionId, others);
    else if (offset === 0 || offset === known) {
      const position = { messageId, blockIndex, offset: offset + content.text.length };
      this.#set(sessionId, [...others, position].slice(-MAX_BLOCKS));
    }
  }

  /** The whole block was delivered. */
  finished(sessionId: string, block: Block): void {
    this.#set(sessionId, this.#without(sessionId, block));
  }

  /** The text of this session is no longer valid. */
  forget(sessionId: string): void {
    this.#bySession.delete(sessionId);
  }

  has(sessionId: string): boolean {
    return this.#bySession.has(sessionId);
  }

  /** In the form of `subscribe`, beside the cursor: the block with the most text is `open`. */
  of(sessionId: string): Pick<StreamPlace, 'open' | 'alsoOpen'> {
    const [open, ...alsoOpen] = (this.#bySession.get(sessionId) ?? []).toSorted((a, b) => b.offset - a.offset);
    return { ...(open && { open }), ...(alsoOpen.length > 0 && { alsoOpen }) };
  }

  #find(sessionId: string, block: Block): BlockPosition | undefined {
    return this.#bySession.get(sessionId)?.find((position) => isSame(position, block));
  }

  #without(sessionId: string, block: Block): BlockPosition[] {
    return (this.#bySession.get(sessionId) ?? []).filter((position) => !isSame(position, block));
  }

  #set(sessionId: string, positions: BlockPosition[]): void {
    if (positions.length > 0) this.#bySession.set(sessionId, positions);
    else this.#bySession.delete(sessionId);
  }
}

type Block = Pick<BlockPosition, 'messageId' | 'blockIndex'>;

const isSame = (one: Block, other: Block): boolean =>
  one.messageId === other.messageId && one.blockIndex === other.blockIndex;
