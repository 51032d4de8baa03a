import { randomInt } from 'node:crypto';
import type { Scope } from '../../protocol/access.js';
import type { UserId } from '../ports/records.js';
import { digestOf, hasDigest } from './secrets.js';

/** Without what is mistaken for something else when it is typed. */
const LETTERS = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';
const GROUPS = 2;
const GROUP_LENGTH = 5;
const LIFE_MS = 600_000;
const MAX_WRONG = 5;
const MAX_OPEN = 20;

/** What whoever has the code becomes. */
export interface Invitation {
  userId: UserId;
  scopes: readonly Scope[];
}

export interface Redemption<T> {
  use: (invitation: Invitation) => Promise<T>;
  isOut: boolean;
}

interface OpenCode extends Invitation {
  digest: string;
  expiresAt: number;
}

/**
 * One-time codes of some 50 bits, valid for 10 minutes, in memory alone. Five wrong ones void all that are open: nobody
 * tries more than a handful, from however many addresses.
 */
export class PairingCodes {
  readonly #now: () => number;
  #open: OpenCode[] = [];
  #wrong = 0;
  /** How often codes were voided: one that is under way then does not come back. */
  #voided = 0;

  constructor({ now }: { now: () => number }) {
    this.#now = now;
  }

  create(invitation: Invitation): { code: string; expiresAt: number } {
    const code = Array.from({ length: GROUPS }, group).join('-');
    const expiresAt = this.#now() + LIFE_MS;
    this.#forgetExpired();
    if (this.#open.length === 0) this.#wrong = 0;
    this.#open = [...this.#open, { ...invitation, digest: digestOf(normal(code)), expiresAt }].slice(-MAX_OPEN);
    return { code, expiresAt };
  }

  /**
   * Uses the code up, unless `use` rejects. Undefined for one that is wrong, used, void or expired; of somebody who has
   * guessed too often already (`isOut`) a wrong one voids nothing.
   */
  async redeem<T>(code: string, { use, isOut }: Redemption<T>): Promise<T | undefined> {
    this.#forgetExpired();
    const given = normal(code);
    // All are compared, so that the time does not tell which.
    const [found] = this.#open.filter(({ digest }) => hasDigest(given, digest));
    if (!found) {
      if (!isOut) this.#wrong += 1;
      if (this.#wrong >= MAX_WRONG) this.#void(() => true);
      return undefined;
    }
    this.#open = this.#open.filter((one) => one !== found);
    const voided = this.#voided;
    return use(found).catch((error: unknown) => {
      if (voided === this.#voided) this.#open.push(found);
      throw error;
    });
  }

  /** The person is gone. */
  forget(userId: UserId): void {
    this.#void((one) => one.userId === userId);
  }

  #void(which: (one: OpenCode) => boolean): void {
    this.#voided += 1;
    this.#open = this.#open.filter((one) => !which(one));
  }

  #forgetExpired(): void {
    const now = this.#now();
    this.#open = this.#open.filter(({ expiresAt }) => now < expiresAt);
  }
}

const group = (): string => Array.from({ length: GROUP_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('');

/** As it is typed: in small letters, full width, with any hyphen or space. */
const normal = (code: string): string =>
  code
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s\p{Pd}]/gu, '');
