/** Passwords, as argon2id keeps them. The only importer of `@node-rs/argon2`, which is loaded with the first password. */
import { CompanionError } from '../../protocol/error-codes.js';

/** RFC 9106's second choice, for machines that cannot spare 2 GiB: 64 MiB, three passes, four lanes. */
const COST = { memoryCost: 65_536, timeCost: 3, parallelism: 4 };
/** Each takes 64 MiB and a tenth of a second of a core. */
const MAX_AT_ONCE = 2;
const MAX_WAITING = 16;

const load = () => import('@node-rs/argon2');

/** Hashes and compares, a few at once: whoever sends many passwords costs no more than that. */
export class Passwords {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #nobody: Promise<string> | undefined;

  hash(password: string): Promise<string> {
    // argon2id is the library's default.
    return this.#inTurn(async () => (await load()).hash(password, COST));
  }

  /** Takes as long for a person who is not there, or has no password. Rejects with `RATE_LIMITED` when too many wait. */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    this.#nobody ??= this.hash('');
    const known = hash ?? (await this.#nobody);
    const isRight = await this.#inTurn(async () => (await load()).verify(known, password).catch(() => false));
    return isRight && hash !== undefined;
  }

  async #inTurn<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_AT_ONCE) {
      if (this.#waiting.length >= MAX_WAITING) {
        throw new CompanionError('RATE_LIMITED', 'Too many passwords are being looked at.', { retryAfterMs: 1000 });
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}
