import type { SessionId } from '../../protocol/scalars.js';

/** How far one session has gone out on a connection. */
interface Progress {
  readonly sent: number;
  readonly resetTo: number;
}

export interface ReceiptsOptions {
  /** Asks the other side to confirm that it has what was sent before; `confirmed` is called with the same id then. */
  ask: (id: number) => void;
  streams: ReadonlyMap<SessionId, Progress>;
  /** Whether the device says itself what it has: then only a `reset` counts as received by delivery. */
  acknowledges: () => boolean;
  onReceived: (sessionId: SessionId, seq: number) => void;
}

interface Pending {
  id: number;
  sent: [SessionId, number][];
}

/** Learns by pings and their pongs what has reached a device. */
export class Receipts {
  readonly #options: ReceiptsOptions;
  #pending: Pending[] = [];
  #lastId = 0;
  #immediate: NodeJS.Immediate | undefined;

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** Notes what has been sent up to now and asks for its receipt. */
  ask(): void {
    const { streams, acknowledges, ask } = this.#options;
    const known = acknowledges();
    const sent = [...streams].map(([id, { sent, resetTo }]) => [id, known ? resetTo : sent] as [SessionId, number]);
    this.#lastId += 1;
    this.#pending.push({ id: this.#lastId, sent: sent.filter(([, seq]) => seq > 0) });
    ask(this.#lastId);
  }

  /** Something went out whose receipt should be known soon: asks at the end of this tick. */
  askSoon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.ask();
    });
  }

  /** All that was sent before this id was asked has arrived. */
  confirmed(id: number): void {
    const arrived = this.#pending.findLast((pending) => pending.id <= id);
    this.#pending = this.#pending.filter((pending) => pending.id > id);
    for (const [sessionId, seq] of arrived?.sent ?? []) {
      if (this.#options.streams.has(sessionId)) this.#options.onReceived(sessionId, seq);
    }
  }

  close(): void {
    clearImmediate(this.#immediate);
  }
}
