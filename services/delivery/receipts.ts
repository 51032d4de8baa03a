import type { SessionId } from '../../protocol/scalars.js';

/** How far one session has gone out on a connection. */
interface Progress {
  /** seq of the last event that went out; undefined before one has. */
  readonly delivered: number | undefined;
  /** Where the last `reset` that went out has put the device. */
  readonly resetTo: number | undefined;
}

/** A connection as its receipts see it. */
export interface ReceiptOwner {
  readonly streams: ReadonlyMap<SessionId, Progress>;
  /** The device says itself what it has: then only a `reset` counts as received by delivery. */
  readonly acknowledges: boolean;
  /** Asks the other side to confirm that it has what was sent before; `confirmed` is called with the same id then. 0: only that it lives. */
  confirm(id: number): void;
  onReceived(sessionId: SessionId, seq: number): void;
}

interface Pending {
  id: number;
  sessionId: SessionId;
  seq: number;
}

/** Learns by pings and their pongs what has reached a device. */
export class Receipts {
  readonly #owner: ReceiptOwner;
  #pending: Pending[] = [];
  #lastId = 0;
  #immediate: NodeJS.Immediate | undefined;
  /** What was asked for last, for each session. */
  #asked: Map<SessionId, number> | undefined;

  constructor(owner: ReceiptOwner) {
    this.#owner = owner;
  }

  /** Notes what has been sent up to now and asks for its receipt. */
  ask(): void {
    const { streams, acknowledges } = this.#owner;
    const id = this.#lastId + 1;
    for (const [sessionId, { delivered, resetTo }] of streams) {
      this.#note(id, sessionId, acknowledges ? resetTo : (delivered ?? resetTo));
    }
    if (this.#pending.at(-1)?.id === id) this.#lastId = id;
    this.#owner.confirm(this.#pending.length > 0 ? this.#lastId : 0);
  }

  /** Something went out whose receipt should be known soon: asks at the end of this tick. */
  askSoon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.ask();
    });
  }

  /** All that was sent before this id was asked has arrived. Pongs that nobody asked for say nothing. */
  confirmed(id: number): void {
    if (this.#pending.length === 0 || !Number.isInteger(id) || id > this.#lastId) return;
    const arrived = this.#pending.filter((pending) => pending.id <= id);
    this.#pending = this.#pending.filter((pending) => pending.id > id);
    for (const { sessionId, seq } of arrived) {
      if (this.#owner.streams.has(sessionId)) this.#owner.onReceived(sessionId, seq);
    }
  }

  close(): void {
    clearImmediate(this.#immediate);
  }

  #note(id: number, sessionId: SessionId, seq: number | undefined): void {
    if (seq === undefined || seq <= (this.#asked?.get(sessionId) ?? -1)) return;
    this.#asked ??= new Map();
    this.#asked.set(sessionId, seq);
    this.#pending.push({ id, sessionId, seq });
  }
}
