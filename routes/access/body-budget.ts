import { CompanionError } from '../../protocol/error-codes.js';
import { MAX_BODIES_BYTES } from '../../protocol/limits.js';

/** Suggested retry delay after a refusal. */
const RETRY_MS = 1000;

/** Bytes of bodies in memory: requests until they are answered, answers until they have been read. */
export class BodyBudget {
  readonly #held = new Map<string, number>();
  #all = 0;

  /**
   * Reserves bytes and returns their release, which works once. Throws `RATE_LIMITED` when the limit of this person or
   * of all people is exceeded.
   */
  take(who: string, bytes: number): () => void {
    const held = this.#held.get(who) ?? 0;
    if (isTooMuch(held, bytes, MAX_BODIES_BYTES.ofPerson))
      throw tooMuch(`${MAX_BODIES_BYTES.ofPerson} bytes of one person`);
    if (isTooMuch(this.#all, bytes, MAX_BODIES_BYTES.inAll))
      throw tooMuch(`${MAX_BODIES_BYTES.inAll} bytes of all people`);
    this.#add(who, bytes);
    let isHeld = true;
    return () => {
      if (isHeld) this.#add(who, -bytes);
      isHeld = false;
    };
  }

  #add(who: string, bytes: number): void {
    this.#all += bytes;
    const held = (this.#held.get(who) ?? 0) + bytes;
    if (held > 0) this.#held.set(who, held);
    else this.#held.delete(who);
  }
}

const isTooMuch = (held: number, bytes: number, most: number): boolean => held > 0 && held + bytes > most;

const tooMuch = (what: string) => {
  const rule = `must wait while ${what} are in transit`;
  const suggestion = 'Read the answers that are open, then try again.';
  return new CompanionError('RATE_LIMITED', `body: ${rule}`, {
    field: 'body',
    rule,
    retryAfterMs: RETRY_MS,
    suggestion,
  });
};
