import type { SessionId } from '../../../protocol/scalars.js';

/** The position of one session on a connection. */
interface Progress {
  /** seq of the last sent event; undefined before the first. */
  readonly delivered: number | undefined;
  /** The position set by the last sent `reset`. */
  readonly resetTo: number | undefined;
}

/** A connection as seen by its receipts. */
export interface ReceiptOwner {
  readonly streams: ReadonlyMap<SessionId, Progress>;
  /** The device acknowledges by itself: then only a `reset` counts as received on delivery. */
  readonly acknowledges: boolean;
  /** Asks the peer to confirm everything sent before, which calls `confirmed` with this id. 0: only a sign of life. */
  confirm(id: number): void;
  onReceived(sessionId: SessionId, seq: number): void;
}

interface Pending {
  id: number;
  sessionId: SessionId;
  seq: number;
}

/** Tracks by pings and pongs what has reached a device. */
export class Receipts {
  readonly #owner: ReceiptOwner;
  #pending: Pending[] = [];
  #lastId = 0;
  #immediate: NodeJS.Immediate | undefined;
  /** The last requested position of each session. */
  #asked: Map<SessionId, number> | undefined;

  constructor(owner: ReceiptOwner) {
    this.#owner = owner;
  }

  /** Requests a receipt for everything sent so far. */
  ask(): void {
    const { streams, acknowledges } = this.#owner;
    const id = this.#lastId + 1;
    for (const [sessionId, { delivered, resetTo }] of streams) {
      this.#note(id, sessionId, acknowledges ? resetTo : (delivered ?? resetTo));
    }
    if (this.#pending.at(-1)?.id === id) this.#lastId = id;
    this.#owner.confirm(this.#pending.length > 0 ? this.#lastId : 0);
  }

  /** Something was sent whose receipt is needed soon: asks at the end of this tick. */
  askSoon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.ask();
    });
  }

  /** Everything sent before this id was requested has arrived. Unsolicited pongs are ignored. */
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
