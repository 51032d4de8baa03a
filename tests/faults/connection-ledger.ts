import type { Frame } from '../support/wire-client.js';
import type { Ledger } from './ledger.js';

/** A block that streams on one connection. */
interface StreamedBlock {
  text: string;
  isComplete: boolean;
}

interface Resumed {
  sessionId: string;
  resume: string;
  from: number;
  head: number;
}

/**
 * Everything that comes on one connection of a device is to be given to this, in order. It is looked at as it comes:
 * what a single connection is promised can be seen only here.
 */
export class ConnectionLedger {
  readonly #deviceId: string;
  readonly #ledger: Ledger;
  /** seq of the last event of each session. */
  readonly #last = new Map<string, number>();
  /** Up to here, events count as missed. */
  readonly #missed = new Map<string, number>();
  readonly #catchingUp = new Set<string>();
  readonly #blocks = new Map<string, StreamedBlock>();
  #welcomed = false;

  constructor(deviceId: string, ledger: Ledger) {
    this.#deviceId = deviceId;
    this.#ledger = ledger;
  }

  get isCatchingUp(): boolean {
    return !this.#welcomed || this.#catchingUp.size > 0;
  }

  get isStreaming(): boolean {
    return [...this.#blocks.values()].some(({ isComplete }) => !isComplete);
  }

  /** How far the device has come in each session, without a hole. */
  get positions(): ReadonlyMap<string, number> {
    return this.#last;
  }

  /** seq of the last event of each session when the connection began. */
  get heads(): ReadonlyMap<string, number> {
    return this.#missed;
  }

  take(frame: Frame): void {
    const { type, data, seq } = frame;
    if (seq !== undefined) this.#event(frame);
    if (type === 'welcome') this.#welcome(data);
    if (type === 'subscribed') this.#subscribed(data);
    if (type === 'streamData') this.#streamed(data);
    if (type === 'caughtUp') this.#caughtUp(data);
    if (type === 'reset') this.#violate(`a reset: ${JSON.stringify(data)}`);
    if (type === 'permissionAccepted') this.#ledger.answered(data.permissionId, String(data.decision));
  }

  #violate(what: string): void {
    this.#ledger.violate(`${this.#deviceId}: ${what}`);
  }

  #welcome(data: Frame['data']): void {
    this.#welcomed = true;
    this.#ledger.sawEpoch(String(data.epoch));
    for (const { sessionId, resume, from, head } of data.resumed as Resumed[]) {
      const furthest = this.#ledger.furthest(this.#deviceId, sessionId);
      if (resume !== 'replay') this.#violate(`${sessionId} was resumed with ${resume}`);
      if (from > furthest) this.#violate(`${sessionId} goes on at ${from}, and has come no further than ${furthest}`);
      this.#last.set(sessionId, from);
      this.#missed.set(sessionId, head);
      this.#catchingUp.add(sessionId);
    }
  }

  #subscribed(data: Frame['data']): void {
    for (const { sessionId, resume, from } of data.sessions as Resumed[]) {
      if (resume === 'live') continue;
      this.#ledger.begins(this.#deviceId, sessionId, from);
      this.#last.set(sessionId, from);
    }
  }

  #caughtUp({ sessionId, seq }: Frame['data']): void {
    const last = this.#last.get(sessionId) ?? 0;
    if (seq !== last) this.#violate(`${sessionId} was caught up at ${seq}, and ${last} had come`);
    this.#catchingUp.delete(sessionId);
  }

  #event(frame: Frame): void {
    const { sessionId = '', seq = 0, type, data } = frame;
    const last = this.#last.get(sessionId) ?? 0;
    if (seq !== last + 1) this.#violate(`${sessionId}: ${seq} came after ${last}`);
    this.#last.set(sessionId, seq);
    const isMissed = seq <= (this.#missed.get(sessionId) ?? 0);
    if ((frame._queued === true) !== isMissed) this.#violate(`${sessionId}: ${seq} is marked as missed wrongly`);
    this.#ledger.sawEvent(this.#deviceId, frame);
    if (type === 'assistantMessage') this.#compare(data);
  }

  /** Pieces are joined where offset and length meet; one that came before must say the same again. */
  #streamed({ messageId, blockIndex, offset, content: { text }, isComplete }: Frame['data']): void {
    const key = `${messageId}/${blockIndex}`;
    const known = this.#blocks.get(key)?.text ?? '';
    const overlap = known.slice(offset, offset + text.length);
    if (offset > known.length) this.#violate(`${key}: a hole from ${known.length} to ${offset}`);
    if (!text.startsWith(overlap)) this.#violate(`${key}: at ${offset} ${overlap} became ${text}`);
    const joined = known.slice(0, offset) + text;
    this.#blocks.set(key, {
      text: joined.length < known.length ? known : joined,
      isComplete: isComplete === true,
    });
  }

  /** The whole block has come: what was streamed of it must be its beginning, and all of it when it was completed. */
  #compare({ messageId, blockIndex, content: [block] }: Frame['data']): void {
    const key = `${messageId}/${blockIndex}`;
    const streamed = this.#blocks.get(key);
    this.#blocks.delete(key);
    if (!streamed || !block || block.type === 'tool_use') return;
    const { text, isComplete } = streamed;
    const agrees = isComplete ? block.text === text : block.text.startsWith(text);
    if (!agrees) this.#violate(`${key} streamed as ${text} and is ${block.text}`);
  }
}
