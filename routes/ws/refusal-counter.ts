/** Counts what one connection alone was refused, within the time for which its person's frames are counted. */
export class RefusalCounter {
  #count = 0;
  /** When that time is over, by the monotonic clock. */
  #until = 0;

  /** `resetMs`: until the person's count begins anew. How many there have been in that time, this one included. */
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
