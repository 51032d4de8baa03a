import type { SessionId } from '../../protocol/scalars.js';
import type { QueuePosition } from './session-state.js';

/** What is known of a session that has a child, or waits for one. */
export interface SlotHolder {
  id: SessionId;
  /** For how long its turn has run, in milliseconds; undefined while it has none. */
  turnMs: number | undefined;
  /** For how long it has had nothing to do, in milliseconds; undefined while it has. */
  idleMs: number | undefined;
  /** Ends its child, if that has nothing to do. Resolves to whether it does. */
  hibernate: () => Promise<boolean>;
}

export interface ChildSlotsOptions {
  /** How many children may live at a time. */
  max: number;
  holders: () => SlotHolder[];
}

export interface SlotRequest {
  id: SessionId;
  /** For when its child was first asked, in epoch milliseconds: a daemon that died in between is no reason to wait longer. */
  since: number;
  /** Called at once where a slot is free, else when one is. */
  onTaken: () => void;
  /** Called whenever the position in the queue changes, and now and then for its estimate. */
  onQueued: (position: QueuePosition) => void;
}

const TELL_AGAIN_MS = 30_000;
/** How much the last turn counts for the mean. */
const NEWEST_WEIGHT = 0.2;

/**
 * Which sessions may have a child. A session that finds no slot free waits in a queue, the one that asked first in front; one
 * that has nothing to do makes room, the one first that has been idle longest.
 */
export class ChildSlots {
  readonly #options: ChildSlotsOptions;
  readonly #taken = new Set<SessionId>();
  readonly #leaving = new Set<SessionId>();
  #waiting: (SlotRequest & { told?: number })[] = [];
  #meanTurnMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isMaking = false;
  /** Somebody waits who did not when the idle ones were looked through. */
  #isWanted = false;

  constructor(options: ChildSlotsOptions) {
    this.#options = options;
  }

  /** Whether a slot is free. */
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

  /** Waits for a slot; resolves with what gives it back. Rejects with the reason of `signal`, and does not wait then. */
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

  /** For a child that lives already: it may be one too many. */
  hold(id: SessionId): void {
    this.#taken.add(id);
  }

  /** Gives a slot, or the waiting for one, back. */
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

  /** A session has nothing to do any more: somebody may be waiting for that. */
  idle(): void {
    if (this.#waiting.length > 0) this.#makeRoom();
  }

  /** A turn was over after so many milliseconds. */
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

  /** One may refuse: what its tools have started still runs. Then the next is asked. */
  async #askInTurn(): Promise<void> {
    this.#isMaking = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      for (const { id, hibernate } of this.#idleHolders()) {
        const wanted = this.#taken.size - this.#leaving.size + this.#waiting.length;
        if (wanted <= this.#options.max) break;
        this.#leaving.add(id);
        // A step that cannot be written is tried and told by the session; here the next is asked.
        if (!(await hibernate().catch(() => false))) this.#leaving.delete(id);
      }
    }
    this.#isMaking = false;
  }

  /** The one that has been idle longest first. */
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

  /** What a child's tools have left behind may have ended meanwhile, without a word of the child. */
  #tellAgain(): void {
    this.#makeRoom();
    for (const [index, { onQueued }] of this.#waiting.entries()) onQueued(this.#placeAt(index));
  }

  /** As if turns took as long as others did, and each that ends made room for one. */
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
