import { randomInt } from 'node:crypto';
import type { Scope } from '../../protocol/access.js';
import type { UserId } from '../ports/records.js';
import type { IsVoid, Principal } from './principal.js';
import { digestOf, hasDigest, newSecret } from './secrets.js';

/** Without characters that are easily confused when typed. */
const LETTERS = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';
const GROUPS = 2;
const GROUP_LENGTH = 5;
const CODE_LIFE_MS = 600_000;
const MAX_WRONG = 5;
const MAX_OPEN_CODES = 20;

/** What the holder of the code becomes. */
export interface Invitation {
  userId: UserId;
  scopes: readonly Scope[];
}

export interface Redemption<T> {
  use: (invitation: Invitation) => Promise<T>;
  isBlocked: boolean;
}

interface OpenCode extends Invitation {
  digest: string;
  expiresAt: number;
}

/**
 * One-time codes of about 50 bits, valid for 10 minutes, only in memory. Five wrong codes void all open ones: an
 * attacker gets only a handful of guesses, from however many addresses.
 */
export class PairingCodes {
  readonly #now: () => number;
  #open: OpenCode[] = [];
  #wrong = 0;
  /** Number of times codes were voided: a code being redeemed at that moment is not restored. */
  #voided = 0;

  constructor({ now }: { now: () => number }) {
    this.#now = now;
  }

  create(invitation: Invitation): { code: string; expiresAt: number } {
    const code = Array.from({ length: GROUPS }, group).join('-');
    const expiresAt = this.#now() + CODE_LIFE_MS;
    this.#forgetExpired();
    if (this.#open.length === 0) this.#wrong = 0;
    this.#open = [...this.#open, { ...invitation, digest: digestOf(normal(code)), expiresAt }].slice(-MAX_OPEN_CODES);
    return { code, expiresAt };
  }

  /**
   * Redeems the code, unless `use` rejects. Undefined for a wrong, used, void or expired one; a wrong one from a sender
   * who has guessed too often (`isBlocked`) voids nothing.
   */
  async redeem<T>(code: string, { use, isBlocked }: Redemption<T>): Promise<T | undefined> {
    this.#forgetExpired();
    const given = normal(code);
    // Compares all codes, so that timing does not reveal a match.
    const [found] = this.#open.filter(({ digest }) => hasDigest(given, digest));
    if (!found) {
      if (!isBlocked) this.#wrong += 1;
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

  /** The person was removed. */
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

/** Normalises typed input: lower case, full width, any hyphens or spaces. */
const normal = (code: string): string =>
  code
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s\p{Pd}]/gu, '');

const TICKET_LIFE_MS = 30_000;
/** Per person. */
const MAX_OPEN_TICKETS = 100;

interface OpenTicket {
  principal: Principal;
  expiresAt: number;
}

/** One-time tickets that open one WebSocket, for clients that cannot set headers: a ticket in a URL soon expires. */
export class Tickets {
  readonly #now: () => number;
  /** By digest, oldest first. */
  readonly #open = new Map<string, OpenTicket>();

  constructor({ now }: { now: () => number }) {
    this.#now = now;
  }

  create(principal: Principal): { ticket: string; expiresAt: number } {
    const ticket = newSecret();
    const expiresAt = Math.min(this.#now() + TICKET_LIFE_MS, principal.expiresAt ?? Number.POSITIVE_INFINITY);
    this.#forget((open) => this.#now() >= open.expiresAt);
    const [oldest, ...others] = [...this.#open].filter(([, open]) => open.principal.userId === principal.userId);
    if (oldest && others.length >= MAX_OPEN_TICKETS - 1) this.#open.delete(oldest[0]);
    this.#open.set(digestOf(ticket), { principal, expiresAt });
    return { ticket, expiresAt };
  }

  /** Redeems a ticket. Undefined for an unknown, used or expired one. */
  redeem(ticket: string): Principal | undefined {
    const digest = digestOf(ticket);
    const open = this.#open.get(digest);
    this.#open.delete(digest);
    return open && this.#now() < open.expiresAt ? open.principal : undefined;
  }

  /** Revoked credentials also void their tickets. */
  revoke(isVoid: IsVoid): void {
    this.#forget(({ principal }) => isVoid(principal, principal.device?.deviceId));
  }

  #forget(which: (open: OpenTicket) => boolean): void {
    for (const [digest, open] of this.#open) if (which(open)) this.#open.delete(digest);
  }
}
