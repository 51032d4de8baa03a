import type { PositionedData } from '../../protocol/server-frames.js';
import { continuesText, joinText } from '../../protocol/stream-data.js';

type StreamData = PositionedData<'streamData'>;

/** Held text above this many UTF-16 units is sent early. */
const MAX_HELD = 32 * 1024;

/**
 * Buffers text for a reader that lags or wants fewer frames. Each piece continues the last one or begins another block.
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
