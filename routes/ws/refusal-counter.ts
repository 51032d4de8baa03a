/** Counts the refusals of a single connection within the period of its person's frame limit. */
export class RefusalCounter {
  #count = 0;
  /** The end of the period, by the monotonic clock. */
  #until = 0;

  /** `resetMs`: until the person's count restarts. Returns the number in the period, this one included. */
  add(resetMs: number): number {
    const now = performance.now();
    if (now >= this.#until) {
      this.#count = 0;
      this.#until = now + resetMs;
    }
    this.#count += 1;
    return this.#count;
  }
}
