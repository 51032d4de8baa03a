/** Keeps the last messages in this browser, for when the daemon cannot be reached. */
import { createStore, get, set } from 'idb-keyval';
import { type Kept, keptOf } from '../store/kept.js';
import type { Store } from '../store/store.js';

const KEY = 'kept';
/** A change is kept this long after it came, with all others until then. */
const DELAY_MS = 2000;

const storage = createStore('claude-companion-kept', 'sessions');

export class Keeper {
  readonly #store: Store;
  readonly #device: string;
  readonly #unsubscribe: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #before: Kept | undefined;

  /** What another device has kept here is not shown: it can be another person's. */
  constructor(store: Store, device: string) {
    this.#store = store;
    this.#device = device;
    this.#unsubscribe = store.subscribe(() => {
      this.#timer ??= setTimeout(() => this.#keep(), DELAY_MS);
    });
    document.addEventListener('visibilitychange', this.#hidden);
  }

  /** Tells the store what was kept. */
  async load(): Promise<void> {
    try {
      const found = (await get(KEY, storage)) as { device: string; kept: Kept } | undefined;
      if (found?.device !== this.#device) return;
      this.#before = found.kept;
      this.#store.dispatch({ do: 'kept', kept: found.kept });
    } catch {
      // Whatever the browser says: without it, the daemon is asked as ever.
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#unsubscribe();
    document.removeEventListener('visibilitychange', this.#hidden);
  }

  /** A page in the background can end without a word. */
  readonly #hidden = (): void => {
    if (this.#timer !== undefined && document.visibilityState === 'hidden') this.#keep();
  };

  #keep(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const state = this.#store.get();
    if (state.connection.kind !== 'open') return;
    this.#before = keptOf(state, this.#before, new Date().toISOString());
    // A full disk: the messages are with the daemon.
    set(KEY, { device: this.#device, kept: this.#before }, storage).catch(() => {});
  }
}

/** With the credential: the messages go as well. */
export const forgetKept = (): Promise<void> => set(KEY, undefined, storage);
