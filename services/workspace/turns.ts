/** Lets changes of one thing follow one another. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs when those before have ended, well or not. */
  async alone<Result>(key: string, run: () => Promise<Result>): Promise<Result> {
    // The one before tells its own caller.
    const turn = (this.#last.get(key) ?? Promise.resolve()).catch(() => undefined).then(run);
    this.#last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }
}
