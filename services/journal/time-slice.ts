import { setImmediate as turnOfOthers } from 'node:timers/promises';

/** How long work runs before it yields, in milliseconds. */
const SLICE_MS = 1;
const FIRST_ROWS = 64;
const MIN_ROWS = 8;
const MAX_ROWS = 2048;

/** Cuts incremental work into slices. */
export class TimeSlice {
  #begunAt = performance.now();

  /** Yields when this slice has lasted long enough. */
  async end(): Promise<void> {
    if (performance.now() - this.#begunAt < SLICE_MS) return;
    await turnOfOthers();
    this.#begunAt = performance.now();
  }
}

/** The number of rows per read: as many as fit in a slice, adapted on the way. */
export class Batch {
  #size = FIRST_ROWS;
  readonly #fewest: number;

  /** `fewest`: the smallest number of rows per read. */
  constructor(fewest = MIN_ROWS) {
    this.#fewest = fewest;
  }

  get size(): number {
    return this.#size;
  }

  timed<T>(read: () => T): T {
    const begunAt = performance.now();
    const result = read();
    const tookMs = performance.now() - begunAt;
    if (tookMs > SLICE_MS) this.#size = Math.max(this.#fewest, Math.floor(this.#size / 2));
    else if (tookMs < SLICE_MS / 2) this.#size = Math.min(MAX_ROWS, this.#size * 2);
    return result;
  }
}
