import { setTimeout as sleep, setImmediate as turnOfOthers } from 'node:timers/promises';

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
/** Of those that can wait, while somebody watches. */
const MAX_WATCHED_LOOK = 4;
/** Not one by one, as answers come: a transaction for each would cost more than the pushes. */
const LEAST_ROOM = 32;
/** Of rows that are marked in one transaction. */
const MAX_MARKED = 32;
/** Pushes that are made, or sent, in one go: less than a millisecond. */
const MAX_AT_ONCE = 4;

/** How much of the time pushes may take while somebody watches: between two of those that can wait the rest of it passes. */
const SHARE = 0.12;
/** What a push costs in all, by what it costs until it is sent: TLS, the answer and its row come behind. */
const COST_BEHIND = 4;
/** What it costs until then, before any was sent. */
const PUSH_MS = 0.2;
/** What seems to have taken longer was kept waiting by another process. */
const MAX_SPENT_MS = 1;
/** How long a transaction may block the event loop while somebody watches. */
const MARKING_MS = 0.4;
/** What a row costs there, before any was marked. */
const ROW_MS = 0.1;
/** How much the last one says of the next. */
const NEWS = 0.2;

/** So many that are urgent are sent whatever the pace: more of them at once are a long queue. */
const URGENT_AT_ONCE = 64;
const URGENT_PER_MS = 0.064;

/** Text that comes is watched for so long after a session has said something to a device that is here. */
const WATCHED_MS = 500;
/** Whoever watches is looked for as often as this. */
const LOOK_MS = 20;
/** When so long nothing was said, the next of a text that streams may be about to come. */
const JUST_SAID_MS = 1;
/** It is waited for so often, for a millisecond. */
const MAX_WAITS = 8;

/**
 * How fast pushes leave. They give way to text that somebody watches come, which must be there at once: a push that
 * leaves a second later is no loss. Where nobody watches they have the event loop to themselves, in goes.
 */
export class PushPace {
  readonly #lastSaidAt: () => number;
  readonly #ticks: () => number;
  #watched = { is: false, until: Number.NEGATIVE_INFINITY };
  #restUntil = Number.NEGATIVE_INFINITY;
  #spentMs = 0;
  #pushMs = PUSH_MS;
  #rowMs = ROW_MS;
  #urgent = { left: URGENT_AT_ONCE, at: 0 };

  constructor({ lastSaidAt, ticks = () => performance.now() }: PushPaceOptions) {
    this.#lastSaidAt = lastSaidAt;
    this.#ticks = ticks;
  }

  get isSlow(): boolean {
    const at = this.#ticks();
    if (at >= this.#watched.until) this.#watched = { is: this.#silentMs < WATCHED_MS, until: at + LOOK_MS };
    return this.#watched.is;
  }

  /** `room`: for how many more under way. */
  allowance(room: number): Allowance {
    const paced = room < LEAST_ROOM ? 0 : Math.min(MAX_LOOK, room);
    if (!this.isSlow) return paced > 0 ? { free: 0, paced } : { free: room, paced };
    const slowly = this.#restMs > 0 ? 0 : Math.min(MAX_WATCHED_LOOK, paced);
    return { free: Math.max(0, Math.min(MAX_LOOK, room - slowly, Math.floor(this.#urgentLeft()))), paced: slowly };
  }

  /** When to look again at something that is due; infinite: when something that is under way has ended. */
  waitMs(room: number, isUrgent: boolean): number {
    const paced = room < LEAST_ROOM ? Number.POSITIVE_INFINITY : this.#restMs;
    if (!isUrgent || room === 0) return paced;
    const lacking = this.isSlow ? 1 - this.#urgentLeft() : 0;
    return Math.min(paced, Math.max(0, lacking / URGENT_PER_MS));
  }

  /** How long those that can wait still have to. */
  get #restMs(): number {
    return this.isSlow ? Math.max(0, this.#restUntil - this.#ticks()) : 0;
  }

  /** How many are made, or sent, in one go. */
  get atOnce(): number {
    return this.isSlow ? 1 : MAX_AT_ONCE;
  }

  /** How many rows are marked in one transaction. */
  get marked(): number {
    return this.isSlow ? Math.max(1, Math.min(MAX_MARKED, Math.floor(MARKING_MS / this.#rowMs))) : MAX_MARKED;
  }

  /** Does something that costs time, and takes note of how much. Nothing else runs meanwhile. */
  async spend<T>(act: () => T): Promise<Awaited<T>> {
    const from = this.#ticks();
    try {
      return await act();
    } finally {
      this.#spentMs += Math.min(MAX_SPENT_MS, this.#ticks() - from);
    }
  }

  /** The same of a transaction of so many rows. */
  async mark(rows: number, act: () => Promise<void>): Promise<void> {
    const before = this.#spentMs;
    await this.spend(act);
    if (rows > 0) this.#rowMs += NEWS * ((this.#spentMs - before) / rows - this.#rowMs);
  }

  /** The event loop has a turn for whatever else waits, before something that can wait as long as it should. */
  async pause(isUrgent: boolean): Promise<void> {
    if (!this.isSlow || isUrgent) {
      await turnOfOthers();
      return;
    }
    await sleep(this.#gapMs);
    await this.behindText();
  }

  /** Right behind what was said: what is done before the next piece comes keeps nobody waiting. */
  async behindText(): Promise<void> {
    for (let waits = 0; waits < MAX_WAITS && this.isSlow && this.#silentMs > JUST_SAID_MS; waits += 1) await sleep(1);
  }

  get #silentMs(): number {
    return this.#ticks() - this.#lastSaidAt();
  }

  /** A look has ended in which so many were taken up, and so many of them were urgent. */
  rest(pushes: number, urgent: number): void {
    this.#urgent = { left: this.#urgentLeft() - urgent, at: this.#ticks() };
    if (pushes > 0) this.#pushMs += NEWS * (this.#spentMs / pushes - this.#pushMs);
    this.#spentMs = 0;
    this.#restUntil = this.#ticks() + this.#gapMs;
  }

  get #gapMs(): number {
    return (this.#pushMs * COST_BEHIND) / SHARE;
  }

  #urgentLeft(): number {
    const { left, at } = this.#urgent;
    return Math.min(URGENT_AT_ONCE, left + (this.#ticks() - at) * URGENT_PER_MS);
  }
}
