import { type Action, type ConsoleState, EMPTY, reduce } from './console-state.js';

/** Calls back once, soon: before the next picture is drawn. */
export type Soon = (callback: () => void) => void;

/** Holds the state. Listeners are called once for any number of changes that come together. */
export class Store {
  readonly #soon: Soon;
  readonly #listeners = new Set<() => void>();
  #state: ConsoleState = EMPTY;
  #isTelling = false;

  constructor(soon: Soon) {
    this.#soon = soon;
  }

  readonly get = (): ConsoleState => this.#state;

  readonly dispatch = (action: Action): void => {
    const next = reduce(this.#state, action);
    if (next === this.#state) return;
    this.#state = next;
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#soon(() => {
      this.#isTelling = false;
      for (const listener of this.#listeners) listener();
    });
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
}
