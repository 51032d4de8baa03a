import type { IsVoid, Principal } from './principal.js';
import { digestOf, newSecret } from './secrets.js';

const LIFE_MS = 30_000;
/** Per person. */
const MAX_OPEN = 100;

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
    const expiresAt = Math.min(this.#now() + LIFE_MS, principal.expiresAt ?? Number.POSITIVE_INFINITY);
    this.#forget((open) => this.#now() >= open.expiresAt);
    const [oldest, ...others] = [...this.#open].filter(([, open]) => open.principal.userId === principal.userId);
    if (oldest && others.length >= MAX_OPEN - 1) this.#open.delete(oldest[0]);
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
