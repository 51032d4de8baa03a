export interface SteadyClockOptions {
  /** Wall clock in epoch milliseconds. */
  wall: () => number;
  /** Monotonic milliseconds. */
  monotonic: () => number;
  /** The clock's last value, from an earlier process. */
  last?: number;
}

/** A smaller jump ahead is followed at once. */
const DRIFT_MS = 60_000;
/** A larger jump ahead is followed after this time. */
const DOUBT_MS = 3_600_000;

/**
 * A wall clock for deciding what has expired. A jump ahead, by mistake or after sleep, is followed only after an hour:
 * data removed by a wrong clock cannot be restored. A jump back is followed at once, which removes nothing.
 */
export class SteadyClock {
  readonly #options: SteadyClockOptions;
  /** Trusted wall clock minus monotonic clock. */
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
