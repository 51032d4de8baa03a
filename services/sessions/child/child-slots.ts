import type { SessionId } from '../../../protocol/scalars.js';
import type { QueuePosition } from '../machine/session-state.js';

/** The state of a session that has a child, or waits for one. */
export interface SlotHolder {
  id: SessionId;
  /** Duration of its running turn so far, in milliseconds; undefined between turns. */
  turnMs: number | undefined;
  /** How long it has been idle, in milliseconds; undefined while it is busy. */
  idleMs: number | undefined;
  /** Ends its child if that is idle. Resolves to whether it ends. */
  hibernate: () => Promise<boolean>;
}

export interface ChildSlotsOptions {
  /** The maximum number of running children. */
  max: number;
  holders: () => SlotHolder[];
}

export interface SlotRequest {
  id: SessionId;
  /** When its child was first requested, in epoch milliseconds: a daemon restart must not lengthen the wait. */
  since: number;
  /** Called at once if a slot is free, otherwise when one becomes free. */
  onTaken: () => void;
  /** Called whenever the position in the queue changes, and occasionally for its estimate. */
  onQueued: (position: QueuePosition) => void;
}

const TELL_AGAIN_MS = 30_000;
/** Weight of the last turn in the mean. */
const NEWEST_WEIGHT = 0.2;

/**
 * Decides which sessions can have a child. A session that finds no free slot joins a queue, ordered by time of request;
 * idle sessions make room, the longest idle one first.
 */
export class ChildSlots {
  readonly #options: ChildSlotsOptions;
  readonly #taken = new Set<SessionId>();
  readonly #leaving = new Set<SessionId>();
  #waiting: (SlotRequest & { told?: number })[] = [];
  #meanTurnMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isMaking = false;
  /** A request has joined the queue since the idle holders were last checked. */
  #isWanted = false;

  constructor(options: ChildSlotsOptions) {
    this.#options = options;
  }

  get isFree(): boolean {
    return this.#taken.size < this.#options.max && this.#waiting.length === 0;
  }

  take(request: SlotRequest): void {
    if (this.#taken.has(request.id) || this.isFree) {
      this.#grant(request);
      return;
    }
    const behind = this.#waiting.findIndex(({ since }) => since > request.since);
    this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, { ...request });
    this.#tell();
    this.#makeRoom();
  }

  /** Waits for a slot; resolves with its release function. On abort, rejects with the reason and leaves the queue. */
  async enter({ id, since, signal }: Pick<SlotRequest, 'id' | 'since'> & { signal: AbortSignal }): Promise<() => void> {
    signal.throwIfAborted();
    const leave = () => this.leave(id);
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        leave();
        reject(signal.reason);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      const onTaken = () => {
        signal.removeEventListener('abort', giveUp);
        resolve(leave);
      };
      this.take({ id, since, onTaken, onQueued: () => {} });
    });
  }

  /** Takes a slot for a running child, even above the maximum. */
  hold(id: SessionId): void {
    this.#taken.add(id);
  }

  /** Releases a slot, or leaves the queue. */
  leave(id: SessionId): void {
    this.#waiting = this.#waiting.filter((request) => request.id !== id);
    this.#leaving.delete(id);
    this.#taken.delete(id);
    while (this.#taken.size < this.#options.max) {
      const next = this.#waiting.shift();
      if (!next) break;
      this.#grant(next);
    }
    this.#tell();
  }

  /** A session has become idle: a queued one can need its slot. */
  idle(): void {
    if (this.#waiting.length > 0) this.#makeRoom();
  }

  /** A turn has ended after this many milliseconds. */
  turnEnded(durationMs: number): void {
    const mean = this.#meanTurnMs ?? durationMs;
    this.#meanTurnMs = mean + (durationMs - mean) * NEWEST_WEIGHT;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#waiting = [];
  }

  #grant({ id, onTaken }: SlotRequest): void {
    this.#taken.add(id);
    onTaken();
  }

  #makeRoom(): void {
    this.#isWanted = true;
    if (!this.#isMaking) void this.#askInTurn();
  }

  /** A holder can refuse while processes of its tools still run. Then the next is asked. */
  async #askInTurn(): Promise<void> {
    this.#isMaking = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      for (const { id, hibernate } of this.#idleHolders()) {
        const wanted = this.#taken.size - this.#leaving.size + this.#waiting.length;
        if (wanted <= this.#options.max) break;
        this.#leaving.add(id);
        // The session retries and reports a failed write; here the next holder is asked.
        if (!(await hibernate().catch(() => false))) this.#leaving.delete(id);
      }
    }
    this.#isMaking = false;
  }

  /** The longest idle one first. */
  #idleHolders(): SlotHolder[] {
    return this.#options
      .holders()
      .filter(({ id, idleMs }) => idleMs !== undefined && this.#taken.has(id) && !this.#leaving.has(id))
      .sort((a, b) => (b.idleMs ?? 0) - (a.idleMs ?? 0));
  }

  #tell(): void {
    for (const [index, request] of this.#waiting.entries()) {
      if (request.told === index) continue;
      request.told = index;
      request.onQueued(this.#placeAt(index));
    }
    if (this.#waiting.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else {
      this.#timer ??= setInterval(() => this.#tellAgain(), TELL_AGAIN_MS).unref();
    }
  }

  /** Background processes of a child's tools can have ended meanwhile, without notice from the child. */
  #tellAgain(): void {
    this.#makeRoom();
    for (const [index, { onQueued }] of this.#waiting.entries()) onQueued(this.#placeAt(index));
  }

  /** Assumes that turns take their mean time, and that each turn's end frees a slot. */
  #placeAt(index: number): QueuePosition {
    const mean = this.#meanTurnMs;
    const position = index + 1;
    if (mean === undefined) return { position };
    const rests = this.#options
      .holders()
      .filter(({ id }) => this.#taken.has(id))
      .map(({ turnMs }) => (turnMs === undefined ? mean : Math.max(0, mean - turnMs)))
      .sort((a, b) => a - b);
    const rounds = Math.floor(index / Math.max(1, rests.length));
    const rest = rests[index % Math.max(1, rests.length)] ?? 0;
    return { position, estimateMs: Math.round(rest + rounds * mean) };
  }
}
