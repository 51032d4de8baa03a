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

/** So many may leave at once while somebody watches, and so many a millisecond from then on. */
interface Rate {
  most: number;
  perMs: number;
}

/**
 * Of those that can wait. One by itself costs the event loop one to two milliseconds in all; so seldom, it meets less
 * than one piece of text in a hundred.
 */
const PATIENT: Rate = { most: 4, perMs: 0.005 };
/** Of those that a person is waited for with: more of them at once are a long queue. */
const URGENT: Rate = { most: 64, perMs: 0.064 };

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
  readonly #patient: Bucket;
  readonly #urgent: Bucket;

  constructor({ lastSaidAt, ticks = () => performance.now() }: PushPaceOptions) {
    this.#lastSaidAt = lastSaidAt;
    this.#ticks = ticks;
    this.#patient = new Bucket(PATIENT, ticks);
    this.#urgent = new Bucket(URGENT, ticks);
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
    const slowly = Math.min(paced, Math.floor(this.#patient.left));
    return { free: Math.max(0, Math.min(MAX_LOOK, room - slowly, Math.floor(this.#urgent.left))), paced: slowly };
  }

  /** When to look again at something that is due; infinite: when something that is under way has ended. */
  waitMs(room: number, isUrgent: boolean): number {
    const restMs = (bucket: Bucket) => (this.isSlow ? bucket.restMs : 0);
    const paced = room < LEAST_ROOM ? Number.POSITIVE_INFINITY : restMs(this.#patient);
    return !isUrgent || room === 0 ? paced : Math.min(paced, restMs(this.#urgent));
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
    this.#urgent.take(urgent);
    this.#patient.take(pushes - urgent);
  }
}

/** What is left of a rate. */
class Bucket {
  readonly #rate: Rate;
  readonly #ticks: () => number;
  #left: number;
  #at: number;

  constructor(rate: Rate, ticks: () => number) {
    this.#rate = rate;
    this.#ticks = ticks;
    this.#left = rate.most;
    this.#at = ticks();
  }

  get left(): number {
    return Math.min(this.#rate.most, this.#left + (this.#ticks() - this.#at) * this.#rate.perMs);
  }

  /** Until there is one. */
  get restMs(): number {
    return Math.max(0, (1 - this.left) / this.#rate.perMs);
  }

  /** More may be taken than there is when nobody watches: nobody owes that. */
  take(count: number): void {
    this.#left = Math.max(0, this.left - count);
    this.#at = this.#ticks();
  }
}
