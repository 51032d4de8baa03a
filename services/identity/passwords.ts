/** Password hashing with argon2id. The only importer of `@node-rs/argon2`, which is loaded with the first password. */
import { CompanionError } from '../../protocol/error-codes.js';

/** RFC 9106's second choice, for machines that cannot spare 2 GiB: 64 MiB, three passes, four lanes. */
const COST = { memoryCost: 65_536, timeCost: 3, parallelism: 4 };
/** Each hash takes 64 MiB and a tenth of a second of a core; the daemon needs the others. */
const MAX_AT_ONCE = 1;
const MAX_WAITING = 64;
/** Per origin, including the running one: a flood from one origin only delays itself. */
const MAX_OF_ONE = 16;
const RETRY_MS = 1000;

/** Keyboards encode the same letter in two ways (RFC 8265, section 4.2). */
const normal = (password: string): string => password.normalize('NFC');

const load = () => import('@node-rs/argon2');

/** Hashes and compares one at a time, so that a flood of passwords costs no more than one. */
export class Passwords {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  /** Running and waiting checks per origin. */
  readonly #counts = new Map<string, number>();
  #hashOfEmpty: Promise<string> | undefined;

  async hash(password: string): Promise<string> {
    // argon2id is the library's default.
    return this.#inTurn('', async () => (await load()).hash(normal(password), COST));
  }

  /** Whether one more check from this origin would be accepted. */
  hasRoom(of: string): boolean {
    return this.#waiting.length < MAX_WAITING && (this.#counts.get(of) ?? 0) < MAX_OF_ONE;
  }

  /**
   * Takes the same time for a missing person or password. Rejects with `RATE_LIMITED` when too many wait, and with the
   * library's error when it cannot decide: that must not count as a wrong password.
   */
  async verify(password: string, hash: string | undefined, of: string): Promise<boolean> {
    if (!this.hasRoom(of)) {
      throw new CompanionError('RATE_LIMITED', 'Too many passwords are being checked.', { retryAfterMs: RETRY_MS });
    }
    return this.#inTurn(of, async () => {
      const argon2 = await load();
      const decoy = await this.#hashForMissing();
      const isRight = await argon2.verify(hash ?? decoy, normal(password));
      return isRight && hash !== undefined;
    });
  }

  /** Created once, and again after a failure. */
  #hashForMissing(): Promise<string> {
    this.#hashOfEmpty ??= load()
      .then((argon2) => argon2.hash('', COST))
      .catch((error: unknown) => {
        this.#hashOfEmpty = undefined;
        throw error;
      });
    return this.#hashOfEmpty;
  }

  async #inTurn<T>(of: string, task: () => Promise<T>): Promise<T> {
    this.#counts.set(of, (this.#counts.get(of) ?? 0) + 1);
    if (this.#running >= MAX_AT_ONCE) await new Promise<void>((begin) => this.#waiting.push(begin));
    else this.#running += 1;
    try {
      return await task();
    } finally {
      this.#ended(of);
    }
  }

  #ended(of: string): void {
    const left = (this.#counts.get(of) ?? 1) - 1;
    if (left > 0) this.#counts.set(of, left);
    else this.#counts.delete(of);
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running -= 1;
  }
}
