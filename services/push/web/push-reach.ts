/** Which hosts a person can make the daemon send to: subscriptions of browsers and webhooks name their hosts. */
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { invalid } from '../../../protocol/error-codes.js';
import type { PushPlatform } from '../../ports/push.js';

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
const URL_RULE = 'must be an https address at a public address (PUSH_ALLOW_PRIVATE allows others)';

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
    if (!(await this.#isPublic(new URL(endpoint)))) throw invalid('token', RULE);
  }

  /** The same for the `url` of a webhook, which must be `https:` as well, since nothing else hides what it is told. */
  async requirePublicUrl(url: string): Promise<void> {
    if (this.#allowPrivate) return;
    const parsed = new URL(url);
    if (parsed.protocol !== 'https:' || !(await this.#isPublic(parsed))) throw invalid('url', URL_RULE);
  }

  async #isPublic(url: URL): Promise<boolean> {
    const host = hostOf(url);
    const addresses = isIP(host) > 0 ? [host] : await this.#resolve(host);
    return !isLoopbackName(host) && addresses.every(isReachable);
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

/** IPv4 ranges without servers of the public internet: the special-purpose registry of RFC 6890, and multicast. */
const SPECIAL_IPV4: readonly (readonly [network: string, bits: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/**
 * IPv6 addresses that contain an IPv4 address in their last 32 bits: mapped, and NAT64 (RFC 6052), as returned by
 * DNS64.
 */
const CARRIERS = ['::ffff:', '64:ff9b::'];
const CARRIER_BITS = 96;

/** Within 2000::/3: protocol assignments with Teredo, documentation, 6to4. */
const SPECIAL_IPV6: readonly (readonly [network: string, bits: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

/** Every other IPv6 address is loopback, link-local, unique local, multicast, local NAT64 or not assigned. */
const GLOBAL_IPV6 = new BlockList();
GLOBAL_IPV6.addSubnet('2000::', 3, 'ipv6');
for (const carrier of CARRIERS) GLOBAL_IPV6.addSubnet(`${carrier}0.0.0.0`, CARRIER_BITS, 'ipv6');

const SPECIAL = new BlockList();
for (const [network, bits] of SPECIAL_IPV6) SPECIAL.addSubnet(network, bits, 'ipv6');
for (const [network, bits] of SPECIAL_IPV4) {
  SPECIAL.addSubnet(network, bits, 'ipv4');
  for (const carrier of CARRIERS) SPECIAL.addSubnet(`${carrier}${network}`, CARRIER_BITS + bits, 'ipv6');
}

/**
 * Whether an IP address belongs to a server of the public internet. False for private, loopback, link-local, shared
 * (CGNAT), multicast and reserved ranges, for IPv6 addresses that contain such an IPv4 address, and for text that is no
 * address.
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !SPECIAL.check(address, 'ipv4');
    case 6:
      return !address.includes('%') && GLOBAL_IPV6.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6');
    default:
      return false;
  }
}

/** Whether it is an address of this machine: a firewall shields its ports from others, but not from the daemon. */
export function isOwnAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  const own = new BlockList();
  for (const { address: one, family: kind } of Object.values(networkInterfaces()).flatMap((all) => all ?? []))
    own.addAddress(one, kind === 'IPv4' ? 'ipv4' : 'ipv6');
  return own.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
