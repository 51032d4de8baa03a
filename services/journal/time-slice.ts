import { setImmediate as turnOfOthers } from 'node:timers/promises';

/** Work of any length goes on for so long, in milliseconds, before others have their turn. */
const SLICE_MS = 1;
const FIRST_ROWS = 64;
const MIN_ROWS = 8;
const MAX_ROWS = 2048;

/** Cuts work that is done piece by piece into slices. */
export class TimeSlice {
  #begunAt = performance.now();

  /** Others have their turn, where this slice has lasted long enough. */
  async end(): Promise<void> {
    if (performance.now() - this.#begunAt < SLICE_MS) return;
    await turnOfOthers();
    this.#begunAt = performance.now();
  }
}

/** How many rows are read at once: as many as take a slice, found out as it goes. */
export class Batch {
  #size = FIRST_ROWS;

  get size(): number {
    return this.#size;
  }

  timed<T>(read: () => T): T {
    const begunAt = performance.now();
    const result = read();
    const tookMs = performance.now() - begunAt;
    if (tookMs > SLICE_MS) this.#size = Math.max(MIN_ROWS, Math.floor(this.#size / 2));
    else if (tookMs < SLICE_MS / 2) this.#size = Math.min(MAX_ROWS, this.#size * 2);
    return result;
  }
}
