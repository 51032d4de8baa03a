import type { Cursor } from '../protocol/client-frames.js';
import type { CursorStore } from './cursor-store.js';

export interface AcknowledgerOptions {
  store: CursorStore;
  /** Sends an `ack` if connected. */
  send: (sessionId: string, seq: number) => void;
  onError: (error: unknown) => void;
  /** An ack waits this long for others of its session, in milliseconds. */
  delayMs?: number;
  /** An ack for this many events is sent at once. */
  maxEvents?: number;
}

const DELAY_MS = 50;
const MAX_EVENTS = 50;

/**
 * Saves cursors and then acknowledges them, so that the daemon never drops events that this device could still lose.
 * Acks of a session are combined.
 */
export class Acknowledger {
  readonly #options: AcknowledgerOptions;
  readonly #waiting = new Map<string, { seq: number; events: number }>();
  readonly #saved = new Map<string, Cursor>();
  /** The furthest cursor passed in each session, saved or not. */
  readonly #reached = new Map<string, Cursor>();
  readonly #saving = new Set<Promise<void>>();
  #epoch = '';
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: AcknowledgerOptions) {
    this.#options = options;
  }

  /** The initial content of the store. */
  loaded(cursors: ReadonlyMap<string, Cursor>): void {
    for (const [sessionId, cursor] of cursors) {
      this.#saved.set(sessionId, cursor);
      this.#reached.set(sessionId, cursor);
    }
  }

  /** Drops pending acks: they were for the last connection, and perhaps for another epoch. */
  connected(epoch: string): void {
    this.#drop();
    this.#epoch = epoch;
  }

  /** The last saved cursor: the daemon's can be older, when an ack was lost. */
  saved(sessionId: string): Cursor | undefined {
    return this.#saved.get(sessionId);
  }

  /** Events up to the cursor are processed: saves it, then acknowledges it. */
  passed(sessionId: string, cursor: Cursor): void {
    const reached = this.#reached.get(sessionId);
    // Events that were requested again, from an earlier cursor, do not move it back.
    if (this.#closed || (reached?.epoch === cursor.epoch && reached.seq >= cursor.seq)) return;
    this.#reached.set(sessionId, cursor);
    const saving: Promise<void> = this.#save(sessionId, cursor)
      .catch(this.#options.onError)
      .finally(() => this.#saving.delete(saving));
    this.#saving.add(saving);
  }

  /** The session restarts at this cursor, even when that is further back. */
  reset(sessionId: string, cursor: Cursor): void {
    this.#waiting.delete(sessionId);
    this.#reached.delete(sessionId);
    this.passed(sessionId, cursor);
  }

  async #save(sessionId: string, cursor: Cursor): Promise<void> {
    await this.#options.store.save(sessionId, cursor);
    // An ack for a session that was unsubscribed meanwhile would be refused.
    if (!this.#reached.has(sessionId)) return;
    this.#saved.set(sessionId, cursor);
    this.acknowledge(sessionId, cursor);
  }

  /** Acknowledges a saved cursor. The daemon cannot use one of another epoch than the connection's. */
  acknowledge(sessionId: string, { epoch, seq }: Cursor): void {
    if (epoch !== this.#epoch) return;
    const { delayMs = DELAY_MS, maxEvents = MAX_EVENTS } = this.#options;
    const waiting = this.#waiting.get(sessionId);
    const events = (waiting?.events ?? 0) + 1;
    this.#waiting.set(sessionId, { seq: Math.max(seq, waiting?.seq ?? 0), events });
    if (events >= maxEvents || this.#closed) this.#flush(sessionId);
    else this.#timer ??= setTimeout(() => this.#flushAll(), delayMs);
  }

  forget(sessionId: string): void {
    this.#waiting.delete(sessionId);
    this.#saved.delete(sessionId);
    this.#reached.delete(sessionId);
    this.#options.store.remove?.(sessionId).catch(this.#options.onError);
  }

  /** Resolves once all cursors are saved and, where possible, acknowledged. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#saving);
    this.#flushAll();
    await this.#options.store.close?.().catch(this.#options.onError);
  }

  #flushAll(): void {
    for (const sessionId of this.#waiting.keys()) this.#flush(sessionId);
    this.#drop();
  }

  #flush(sessionId: string): void {
    const waiting = this.#waiting.get(sessionId);
    this.#waiting.delete(sessionId);
    if (waiting) this.#options.send(sessionId, waiting.seq);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
  }
}
