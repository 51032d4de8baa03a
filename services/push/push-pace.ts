export interface PushPaceOptions {
  /** When something was last said to somebody who is here. */
  lastSaidAt: () => number;
  /** Milliseconds by a clock that nobody sets, as `lastSaidAt`. */
  ticks?: () => number;
}

/** How many rows may be taken up in a look: of those that are urgent `free` and `paced`, of the others what is left of `paced`. */
export interface Allowance {
  free: number;
  paced: number;
}

/** Of rows looked at together; the others' turn comes when these are on their way. */
const MAX_LOOK = 64;
/** Not one by one, as answers come: a transaction for each would cost more than the pushes. */
const LEAST_ROOM = 32;
/** Of rows that are marked in one transaction. */
const MAX_MARKED = 32;
const MAX_MARKED_WATCHED = 4;
/** Pushes that are made, or sent, in one go: less than two milliseconds. */
const MAX_AT_ONCE = 4;

/**
 * Between two pushes that can wait, while somebody watches. One by itself costs the event loop one to two milliseconds in
 * all; so seldom, it meets less than one piece of text in a hundred.
 */
const GAP_MS = 200;

/** So many that are urgent are sent whatever the pace: more of them at once are a long queue. */
const URGENT_AT_ONCE = 64;
const URGENT_PER_MS = 0.064;

/** Text that comes is watched for so long after a session has said something to a device that is here. */
const WATCHED_MS = 500;
/** Whoever watches is looked for as often as this. */
const LOOK_MS = 20;

/**
 * How fast pushes leave. They give way to text that somebody watches come, which must be there at once: a push that
 * leaves a second later is no loss. Where nobody watches they have the event loop to themselves, in goes.
 */
export class PushPace {
  readonly #lastSaidAt: () => number;
  readonly #ticks: () => number;
  #watched = { is: false, until: Number.NEGATIVE_INFINITY };
  #restUntil = Number.NEGATIVE_INFINITY;
  #urgent = { left: URGENT_AT_ONCE, at: 0 };

  constructor({ lastSaidAt, ticks = () => performance.now() }: PushPaceOptions) {
    this.#lastSaidAt = lastSaidAt;
    this.#ticks = ticks;
  }

  get isSlow(): boolean {
    const at = this.#ticks();
    if (at >= this.#watched.until) {
      this.#watched = { is: at - this.#lastSaidAt() < WATCHED_MS, until: at + LOOK_MS };
    }
    return this.#watched.is;
  }

  /** `room`: for how many more under way. */
  allowance(room: number): Allowance {
    const paced = room < LEAST_ROOM ? 0 : Math.min(MAX_LOOK, room);
    if (!this.isSlow) return paced > 0 ? { free: 0, paced } : { free: room, paced };
    const slowly = this.#restMs > 0 ? 0 : Math.min(1, paced);
    return { free: Math.max(0, Math.min(MAX_LOOK, room - slowly, Math.floor(this.#urgentLeft()))), paced: slowly };
  }

  /** When to look again at something that is due; infinite: when something that is under way has ended. */
  waitMs(room: number, isUrgent: boolean): number {
    const paced = room < LEAST_ROOM ? Number.POSITIVE_INFINITY : this.#restMs;
    if (!isUrgent || room === 0) return paced;
    const lacking = this.isSlow ? 1 - this.#urgentLeft() : 0;
    return Math.min(paced, Math.max(0, lacking / URGENT_PER_MS));
  }

  /** How many are made, or sent, in one go. */
  get atOnce(): number {
    return this.isSlow ? 1 : MAX_AT_ONCE;
  }

  /** How many rows are marked in one transaction. */
  get marked(): number {
    return this.isSlow ? MAX_MARKED_WATCHED : MAX_MARKED;
  }

  /** So many were taken up in a look, and so many of them were urgent. */
  took(pushes: number, urgent: number): void {
    const at = this.#ticks();
    this.#urgent = { left: this.#urgentLeft() - urgent, at };
    if (pushes > urgent) this.#restUntil = at + GAP_MS;
  }

  /** How long those that can wait still have to. */
  get #restMs(): number {
    return this.isSlow ? Math.max(0, this.#restUntil - this.#ticks()) : 0;
  }

  #urgentLeft(): number {
    const { left, at } = this.#urgent;
    return Math.min(URGENT_AT_ONCE, left + (this.#ticks() - at) * URGENT_PER_MS);
  }
}
