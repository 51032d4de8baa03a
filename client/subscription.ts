import type { ClientInput } from '../protocol/client-frames.js';

type SubscribeInput = ClientInput<'subscribe'>;

const isWhole = (events: readonly string[]) => events.includes('*');

/** This device's subscription, as far as answers have confirmed it. */
export class Subscription {
  #events: readonly string[] | undefined;
  #all = false;
  readonly #sessionIds = new Set<string>();
  /** Requested filters without an answer: any of them may be in force. */
  readonly #underWay = new Map<string, readonly string[]>();

  /** The filter that is known to be in force; undefined before the first answer. */
  get events(): readonly string[] | undefined {
    return this.#events;
  }

  /** All sessions of the person, present and future. */
  get all(): boolean {
    return this.#all;
  }

  get sessionIds(): ReadonlySet<string> {
    return this.#sessionIds;
  }

  /** Whether it is certain that no event is excluded: a gap in the seqs is then a loss. */
  get whole(): boolean {
    return this.#events !== undefined && isWhole(this.#events) && [...this.#underWay.values()].every(isWhole);
  }

  requested(requestId: string, { events }: SubscribeInput): void {
    this.#underWay.set(requestId, events);
  }

  failed(requestId: string): void {
    this.#underWay.delete(requestId);
  }

  answered(requestId: string, { events, sessionIds }: SubscribeInput): void {
    this.#underWay.delete(requestId);
    this.#events = events;
    if (sessionIds === undefined) this.#all = true;
  }

  /** The daemon streams the session to this device: by subscription, or since the device has used it. */
  joined(sessionId: string): void {
    this.#sessionIds.add(sessionId);
  }

  /** Leaving any session ends the subscription to all of them. */
  unsubscribed(): void {
    this.#all = false;
  }

  forget(sessionId: string): void {
    this.#sessionIds.delete(sessionId);
  }
}
