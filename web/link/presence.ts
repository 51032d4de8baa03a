/** Tells the daemon whether a person sees the page: what nobody saw is pushed to their other devices. */
import type { ClientEvent, CompanionClient } from '../../client/browser.js';
import { isSeen, Sight } from './sight.js';

export class Presence {
  readonly #client: CompanionClient;
  /** The last event of each session that came while nobody looked. */
  readonly #unseen = new Map<string, number>();
  readonly #sight: Sight;

  /** The client must acknowledge nothing by itself. */
  constructor(client: CompanionClient) {
    this.#client = client;
    this.#sight = new Sight({
      onSeen: () => this.#tell('clientForegrounding'),
      onUnseen: () => this.#tell('clientBackgrounding'),
    });
    document.addEventListener('visibilitychange', this.#changed);
  }

  close(): void {
    document.removeEventListener('visibilitychange', this.#changed);
    this.#sight.close();
  }

  /** A new connection counts as one that is looked at. */
  connected(): void {
    this.#sight.connected();
  }

  came({ sessionId, seq }: ClientEvent): void {
    this.#unseen.set(sessionId, seq);
    // When all listeners have the event.
    if (isSeen()) queueMicrotask(() => this.#acknowledge());
  }

  /** The session begins anew: its earlier numbers mean nothing. */
  reset(sessionId: string): void {
    this.#unseen.delete(sessionId);
  }

  readonly #changed = (): void => {
    this.#sight.changed();
    if (isSeen()) this.#acknowledge();
  };

  #acknowledge(): void {
    for (const [sessionId, seq] of this.#unseen) this.#client.acknowledge(sessionId, seq);
    this.#unseen.clear();
  }

  #tell(type: 'clientBackgrounding' | 'clientForegrounding'): void {
    if (this.#client.state.kind !== 'open') return;
    // The next connection tells it again.
    this.#client.request(type, {}).catch(() => {});
  }
}
