import type { PositionedData } from '../../protocol/server-frames.js';
import { continuesText, joinText } from '../../protocol/stream-data.js';

type StreamData = PositionedData<'streamData'>;

/** Held text above this many UTF-16 units goes out before its time. */
const MAX_HELD = 32 * 1024;

/**
 * Text that waits for more of it, for a reader that lags or wants fewer frames. Each piece is one that continues the
 * last or begins another block.
 */
export class DeltaCoalescer {
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

  /** Goes out after so many milliseconds, or with what was held before. */
  hold(piece: StreamData, ms: number): void {
    const last = this.#held.at(-1);
    if (last && continuesText(last, piece)) this.#held[this.#held.length - 1] = joinText(last, piece);
    else this.#held.push(piece);
    this.#length += piece.content.text.length;
    if (this.#length > MAX_HELD) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), ms).unref();
  }

  /** Gives out what is held, for something that must come after it. */
  flush(): void {
    if (!this.isHolding) return;
    const pieces = this.#held;
    this.drop();
    this.#flush(pieces);
  }

  /** Forgets what is held: it will be told from its beginning. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = [];
    this.#length = 0;
  }
}
