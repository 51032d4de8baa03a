/** Answers that stay right for a while, each asked for once by all who want it at the same time. */
export class RecentAnswers<Key, Answer> {
  readonly #known = new Map<Key, { answer: Promise<Answer>; until: number }>();
  readonly #keptMs: number;

  /** `keptMs`: how long an answer is kept, in milliseconds. */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /** An error is not kept. */
  of(key: Key, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#known.get(key);
    if (known && performance.now() < known.until) return known.answer;
    const answer = ask();
    this.#known.set(key, { answer, until: performance.now() + this.#keptMs });
    // Whoever asked gets the error.
    answer.catch(() => this.#known.delete(key));
    return answer;
  }
}
