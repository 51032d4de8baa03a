import type { ClientInput } from '../protocol/client-frames.js';

type SubscribeInput = ClientInput<'subscribe'>;

const isWhole = (events: readonly string[]) => events.includes('*');

/** What this device is subscribed to, as far as this client has been told by answers. */
export class Subscription {
  #events: readonly string[] | undefined;
  #all = false;
  readonly #sessionIds = new Set<string>();
  /** Filters that are asked for and not answered: either may be in force. */
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

  /** Whether no event is left out, for certain: a hole in the seqs is then a loss. */
  get whole(): boolean {
    return this.#events !== undefined && isWhole(this.#events) && [...this.#underWay.values()].every(isWhole);
  }

  /** A new connection. The filter stays in force, the daemon keeps it; requests under way are sent again. */
  connected(): void {
    this.#underWay.clear();
  }

  requested(requestId: string, { events }: SubscribeInput): void {
    this.#underWay.set(requestId, events);
  }

  failed(requestId: string): void {
    this.#underWay.delete(requestId);
  }

  /** `streamed`: the sessions that the answer names. */
  answered(requestId: string, { events, sessionIds }: SubscribeInput, streamed: readonly string[]): void {
    this.#underWay.delete(requestId);
    this.#events = events;
    if (sessionIds === undefined) this.#all = true;
    for (const sessionId of streamed) this.#sessionIds.add(sessionId);
  }

  /** A session that the daemon streams to this device since it was used. */
  joined(sessionId: string): void {
    this.#sessionIds.add(sessionId);
  }

  unsubscribed(sessionIds: readonly string[]): void {
    this.#all = false;
    for (const sessionId of sessionIds) this.#sessionIds.delete(sessionId);
  }

  forget(sessionId: string): void {
    this.#sessionIds.delete(sessionId);
  }
}
