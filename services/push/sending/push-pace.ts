export interface PushPaceOptions {
  /** When output was last sent to a connected person. */
  lastSaidAt: () => number;
  /** Milliseconds by a monotonic clock, as `lastSaidAt`. */
  ticks?: () => number;
}

/** How many rows a check can take: of urgent ones `free` and `paced`, of the others the rest of `paced`. */
export interface Allowance {
  free: number;
  paced: number;
}

/** Rows in one check; the others follow when these are in flight. */
const MAX_LOOK = 64;
/** Minimum capacity for a batch: one transaction for each single answer would cost more than the pushes. */
const LEAST_ROOM = 32;
/** Rows that are marked in one transaction. */
const MAX_MARKED = 32;
const MAX_MARKED_WATCHED = 8;
/** Pushes that are composed in one turn of the event loop. */
const MAX_AT_ONCE = 4;

/** How many in each period while a person watches. */
interface Rate {
  most: number;
  periodMs: number;
}

/**
 * For pushes that can wait. Each costs the event loop 0.3 ms in all when eight share a check (measured on a busy
 * machine), so at this rate they take three of a hundred milliseconds, in parts of less than one.
 */
const PATIENT: Rate = { most: 8, periodMs: 80 };
/** For pushes that wait for a person's answer: a larger number at once is a long queue. */
const URGENT: Rate = { most: 64, periodMs: 1000 };

/** A person counts as watching for this long after a session has sent output to a connected device. */
const WATCHED_MS = 500;
/** Interval of the checks for watching people. */
const LOOK_MS = 20;

/**
 * Limits the rate of pushes. They yield to streamed text that a person watches, which must arrive at once: a second's
 * delay does not harm a push. Otherwise they use the whole event loop, in batches.
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

  /** `room`: the capacity for further pushes in flight. */
  allowance(room: number): Allowance {
    const paced = room < LEAST_ROOM ? 0 : Math.min(MAX_LOOK, room);
    if (!this.isSlow) return paced > 0 ? { free: 0, paced } : { free: room, paced };
    const slowly = Math.min(paced, this.#patient.left);
    return { free: Math.max(0, Math.min(MAX_LOOK, room - slowly, this.#urgent.left)), paced: slowly };
  }

  /** When to check a due row again; infinite: when a push in flight has ended. */
  waitMs(room: number, isUrgent: boolean): number {
    const restMs = (bucket: Bucket) => (this.isSlow ? bucket.restMs : 0);
    const paced = room < LEAST_ROOM ? Number.POSITIVE_INFINITY : restMs(this.#patient);
    return !isUrgent || room === 0 ? paced : Math.min(paced, restMs(this.#urgent));
  }

  /** How many are composed in one turn of the event loop. */
  get atOnce(): number {
    return this.isSlow ? 1 : MAX_AT_ONCE;
  }

  /** How many rows are marked in one transaction. */
  get marked(): number {
    return this.isSlow ? MAX_MARKED_WATCHED : MAX_MARKED;
  }

  /** Records how many were taken in a check, and how many of them were urgent. */
  took(pushes: number, urgent: number): void {
    this.#urgent.take(urgent);
    this.#patient.take(pushes - urgent);
  }
}

/** The remaining allowance of a rate, in whole periods, so that each check has a batch. */
class Bucket {
  readonly #rate: Rate;
  readonly #ticks: () => number;
  #taken = 0;
  /** When the period began. */
  #at = Number.NEGATIVE_INFINITY;

  constructor(rate: Rate, ticks: () => number) {
    this.#rate = rate;
    this.#ticks = ticks;
  }

  get left(): number {
    return this.#isOver ? this.#rate.most : Math.max(0, this.#rate.most - this.#taken);
  }

  /** Time until one is available. */
  get restMs(): number {
    return this.left > 0 ? 0 : this.#at + this.#rate.periodMs - this.#ticks();
  }

  /** Without a watching person, more can be taken than is left: that incurs no debt. */
  take(count: number): void {
    if (count === 0) return;
    if (this.#isOver) {
      this.#at = this.#ticks();
      this.#taken = 0;
    }
    this.#taken += count;
  }

  get #isOver(): boolean {
    return this.#ticks() - this.#at >= this.#rate.periodMs;
  }
}
