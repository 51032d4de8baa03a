export interface SteadyClockOptions {
  /** Wall clock in epoch milliseconds. */
  wall: () => number;
  /** Milliseconds that only go forward. */
  monotonic: () => number;
  /** What this clock said last, in an earlier process. */
  last?: number;
}

/** A clock that is ahead by less is followed at once. */
const DRIFT_MS = 60_000;
/** A jump forward is believed when it has lasted this long. */
const DOUBT_MS = 3_600_000;

/**
 * A wall clock for deciding what is old enough to be removed. When the wall clock jumps ahead, by a mistake or after a
 * sleep, it is followed only after an hour: what a wrong clock has removed would not come back with the right time.
 * Backwards it is followed at once, which removes nothing.
 */
export class SteadyClock {
  readonly #options: SteadyClockOptions;
  /** Wall clock less monotonic clock, as believed. */
  #offset: number;
  #aheadSince: number | undefined;

  constructor(options: SteadyClockOptions) {
    this.#options = options;
    const { wall, monotonic, last } = options;
    this.#offset = (last ?? wall()) - monotonic();
  }

  now(): number {
    const { wall, monotonic } = this.#options;
    const at = monotonic();
    const offset = wall() - at;
    if (offset - this.#offset > DRIFT_MS) this.#doubt(offset, at);
    else this.#believe(offset);
    return at + this.#offset;
  }

  #doubt(offset: number, at: number): void {
    this.#aheadSince ??= at;
    if (at - this.#aheadSince >= DOUBT_MS) this.#believe(offset);
  }

  #believe(offset: number): void {
    this.#offset = offset;
    this.#aheadSince = undefined;
  }
}
