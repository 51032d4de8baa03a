/** Which hosts a device can make the daemon push to: a subscription names its host, and any device can register one. */
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { invalid } from '../../protocol/error-codes.js';
import type { PushPlatform } from '../ports/push.js';
import { isOwnAddress, isPublicAddress } from './public-address.js';

type LookupDone = Parameters<LookupFunction>[2];

export interface PushReachOptions {
  /** `PUSH_ALLOW_PRIVATE`: any host is permitted. */
  allowPrivate: boolean;
  /** Default: the system's. */
  lookup?: (host: string, options: LookupOptions, done: LookupDone) => void;
}

/** A name that takes longer counts as unresolvable. */
const LOOKUP_MS = 2000;
/** Concurrent lookups. Further names are looked up only at the connection. */
const MAX_LOOKUPS = 8;

const RULE = 'must be the subscription of a push service at a public address (PUSH_ALLOW_PRIVATE allows others)';

/** The host is not on the public internet. */
class PrivateHostError extends Error {
  readonly code = 'PRIVATE_ADDRESS';

  constructor() {
    super('the host has an address that is not public');
  }
}

/** Blocks pushes to hosts that a device can name but not reach by itself. */
export class PushReach {
  readonly #allowPrivate: boolean;
  readonly #lookup: NonNullable<PushReachOptions['lookup']>;
  #lookups = 0;

  constructor({ allowPrivate, lookup = systemLookup as NonNullable<PushReachOptions['lookup']> }: PushReachOptions) {
    this.#allowPrivate = allowPrivate;
    this.#lookup = lookup;
  }

  /**
   * Rejects with `INVALID_REQUEST` where a registration names a host that is not public, by address or by a name that
   * resolves to one. An unresolvable name passes: the connection is checked again.
   */
  async requirePublic({ platform, token }: { platform: PushPlatform; token: string }): Promise<void> {
    if (this.#allowPrivate || platform !== 'web') return;
    const { endpoint } = JSON.parse(token) as { endpoint: string };
    const host = hostOf(new URL(endpoint));
    const addresses = isIP(host) > 0 ? [host] : await this.#resolve(host);
    if (isLoopbackName(host) || !addresses.every(isReachable)) throw invalid('token', RULE);
  }

  /** Throws where the host is an address that is not public. A connection to an address does not call `lookup`. */
  requireLiteral(url: URL): void {
    const host = hostOf(url);
    if (!this.#allowPrivate && isIP(host) > 0 && !isReachable(host)) throw new PrivateHostError();
  }

  /**
   * For the connection itself: returns exactly the addresses that are then used, so that a name cannot resolve to
   * another address than the checked one (DNS rebinding).
   */
  readonly lookup: LookupFunction = (host, options, done) => {
    this.#lookup(host, options, (error, found, family) => {
      if (error || this.#allowPrivate || addressesOf(found).every(isReachable)) return done(error, found, family);
      done(new PrivateHostError(), []);
    });
  };

  async #resolve(host: string): Promise<string[]> {
    if (this.#lookups >= MAX_LOOKUPS) return [];
    this.#lookups += 1;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve([]), LOOKUP_MS);
      this.#lookup(host, { all: true }, (error, found) => {
        this.#lookups -= 1;
        clearTimeout(timer);
        resolve(error ? [] : addressesOf(found));
      });
    });
  }
}

const isReachable = (address: string): boolean => isPublicAddress(address) && !isOwnAddress(address);

/** By RFC 6761, whether or not the system resolves it. */
const isLoopbackName = (host: string): boolean => /(^|\.)localhost\.?$/.test(host);

/** Without the brackets of an IPv6 address. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');

const addressesOf = (found: string | LookupAddress[]): string[] =>
  typeof found === 'string' ? [found] : found.map(({ address }) => address);
