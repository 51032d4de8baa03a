export type Listener<T> = (value: T) => void;

interface EmitterOptions<Events> {
  /** A listener threw. The others are still called. */
  onThrow: (name: keyof Events, error: unknown) => void;
}

/** Typed listeners. `emit` never throws. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<{ listener: Listener<never> }>>();
  readonly #options: EmitterOptions<Events>;

  constructor(options: EmitterOptions<Events>) {
    this.#options = options;
  }

  /** Returns the function that detaches this listener, and only this one. */
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void {
    const entry = { listener };
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(entry));
    return () => {
      all.delete(entry);
    };
  }

  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  emit<K extends keyof Events>(name: K, value: Events[K]): void {
    const entries = this.#listeners.get(name);
    // A copy: a listener attached during the call gets the next value. A detached one is no longer called.
    for (const entry of Array.from(entries ?? [])) {
      if (!entries?.has(entry)) continue;
      try {
        (entry.listener as Listener<Events[K]>)(value);
      } catch (error) {
        this.#options.onThrow(name, error);
      }
    }
  }
}
