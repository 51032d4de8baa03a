/** A device's side of the wire in one place: what it has, and the rules by which it notices that something is wrong. */
import type { Frame, FrameSink } from '../../services/delivery/frames.js';

interface WireFrame {
  type: string;
  sessionId?: string;
  seq?: number;
  epoch?: string;
  data: {
    sessionId?: string;
    seq?: number;
    head?: number;
    epoch?: string;
    reason?: string;
    messageId?: string;
    offset?: number;
    content?: { text: string };
  };
}

/** What one device knows of one session: it survives its connections. */
export interface Ledger {
  epoch: string;
  /** seq of the last event that it has. */
  last: number;
  /** Everything that it has, by seq, as it came. */
  events: Map<number, string>;
  resets: string[];
  /** The device has unsubscribed. */
  left: boolean;
}

const newLedger = (): Ledger => ({ epoch: '', last: 0, events: new Map(), resets: [], left: false });

/** What survives the connections of a device. */
export class ModelDevice {
  readonly ledgers = new Map<string, Ledger>();

  ledger(sessionId: string): Ledger {
    const known = this.ledgers.get(sessionId) ?? newLedger();
    this.ledgers.set(sessionId, known);
    return known;
  }
}

/** One connection: takes frames at once, or keeps them back like a reader that has stalled. */
export class ModelSink implements FrameSink {
  readonly #device: ModelDevice;
  readonly #texts = new Map<string, string>();
  #waiting: { frame: string; bytes: number }[] = [];
  stalled = false;
  dropped = false;
  unsent = 0;
  lastAsked = 0;
  #askedBehind: number[] = [];

  constructor(device: ModelDevice) {
    this.#device = device;
  }

  get lagging(): boolean {
    return this.unsent > 0;
  }

  send(frame: Frame): void {
    const text = Buffer.from(frame.encoded((built) => Buffer.from(built))).toString();
    if (this.dropped) return;
    if (!this.stalled) {
      this.#take(text);
      return;
    }
    // Weighs a thousand times what it is, so that a few frames fill what the connection may hold.
    this.#waiting.push({ frame: text, bytes: text.length * 200 });
    this.unsent += text.length * 200;
  }

  confirm(id: number): void {
    if (this.stalled) this.#askedBehind.push(id);
    else this.lastAsked = id;
  }

  /** Reads all that has waited. */
  drain(): void {
    this.stalled = false;
    for (const { frame } of this.#waiting) this.#take(frame);
    this.#waiting = [];
    this.unsent = 0;
    this.lastAsked = this.#askedBehind.at(-1) ?? this.lastAsked;
    this.#askedBehind = [];
  }

  #take(text: string): void {
    const frame = JSON.parse(text) as WireFrame;
    if (frame.seq !== undefined) this.#takeEvent(frame, JSON.stringify(frame.data));
    else if (frame.type === 'reset') this.#takeReset(frame);
    else if (frame.type === 'caughtUp') this.#takeCaughtUp(frame);
    else if (frame.type === 'streamData') this.#takeText(frame);
    else if (frame.type !== 'permissionRequest') throw new Error(`unexpected ${frame.type}`);
  }

  #takeEvent({ sessionId = '', seq = 0, epoch = '' }: WireFrame, data: string): void {
    const ledger = this.#device.ledger(sessionId);
    if (ledger.epoch === '') ledger.epoch = epoch;
    if (epoch !== ledger.epoch) throw new Error(`an event of epoch ${epoch} without a reset from ${ledger.epoch}`);
    if (seq > ledger.last + 1) throw new Error(`a silent gap: ${ledger.last} is followed by ${seq}`);
    if (seq <= ledger.last) {
      const before = ledger.events.get(seq);
      if (before !== undefined && before !== data) throw new Error(`event ${seq} came again with other contents`);
      return;
    }
    ledger.events.set(seq, data);
    ledger.last = seq;
  }

  #takeReset({ data: { sessionId = '', head = 0, epoch = '', reason = '' } }: WireFrame): void {
    const ledger = this.#device.ledger(sessionId);
    ledger.resets.push(reason);
    ledger.epoch = epoch;
    ledger.last = head;
    ledger.events.clear();
  }

  #takeCaughtUp({ data: { sessionId = '', seq = 0 } }: WireFrame): void {
    const ledger = this.#device.ledger(sessionId);
    if (ledger.last < seq) throw new Error(`caught up to ${seq} with nothing after ${ledger.last}`);
  }

  #takeText({ data: { messageId = '', offset = 0, content } }: WireFrame): void {
    const known = this.#texts.get(messageId) ?? '';
    if (offset !== 0 && offset !== known.length) {
      throw new Error(`text at ${offset} does not meet the ${known.length} that are there`);
    }
    const text = (offset === 0 ? '' : known) + (content?.text ?? '');
    if (!MODEL_TEXT.startsWith(text)) throw new Error(`text that was never said: ${text}`);
    this.#texts.set(messageId, text);
  }
}

/** What every message of the model says, as far as it gets. */
export const MODEL_TEXT = Array.from({ length: 2000 }, (_, index) => String.fromCharCode(97 + (index % 26))).join('');
