import type { IncomingMessage } from 'node:http';
import { isIPv4, isIPv6, type Socket } from 'node:net';
import proxyAddr from 'proxy-addr';

/** The client address of a request, for limits and the audit. */
export type AddressOf = (request: IncomingMessage) => string;

const trustNobody = () => false;

/**
 * The address of a client. With `trustProxy`, `X-Forwarded-For` of a proxy on this machine is trusted: the last address
 * there that is not this machine's own. Where that is no address, the proxy's own counts, so that a client cannot
 * choose its address by the header.
 */
export function createAddressOf(trustProxy: boolean): AddressOf {
  const trust = trustProxy ? isLoopback : trustNobody;
  const known = new WeakMap<IncomingMessage, string>();
  return (request) => {
    // A connection that has ended has no address any more, but its requests are recorded later.
    const address = known.get(request) ?? addressIn(request, trust);
    known.set(request, address);
    return address;
  };
}

function addressIn(request: IncomingMessage, trust: (text: string) => boolean): string {
  // Node's types leave out that a request that has ended can have lost its socket (seen on 20.20).
  const own = (request.socket as Socket | null)?.remoteAddress;
  if (own === undefined) return 'unknown';
  return parseAddress(proxyAddr(request, trust)) ?? parseAddress(own) ?? 'unknown';
}

const isLoopback = (text: string): boolean => {
  const address = parseAddress(text);
  return address !== undefined && (address.startsWith('127.') || address === '::1');
};

/** `for=` of the header that has replaced this one (RFC 7239), brackets, a port: proxies write all of these. */
const WRAPPED = /^(?:for=)?"?(?:\[([^\]"]*)\](?::\d{1,5})?|([\d.]+):\d{1,5}|([^"]*))"?$/i;

/**
 * The canonical form of an address as proxies and sockets write it: without a port, brackets, quotes or a zone, and
 * IPv4 where IPv6 contains it. Undefined for text that is no address.
 */
export function parseAddress(text: string): string | undefined {
  const [, bracketed, ported, bare = ''] = WRAPPED.exec(text.trim()) ?? [];
  const [address = ''] = (bracketed ?? ported ?? bare).split('%');
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return undefined;
  const shortest = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(shortest) ?? [];
  return high === undefined || low === undefined ? shortest : ipv4Of(high, low);
}

/** In the notation of URLs. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

const ipv4Of = (high: string, low: string): string =>
  [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((pair) => [pair >> 8, pair & 0xff])
    .join('.');

const IPV6_NETWORK_GROUPS = 4;

/** The unit of counting: an IPv4 address, or the /64 of an IPv6 address, which belongs to a single household. */
export function networkOf(address: string): string {
  const normal = parseAddress(address) ?? address;
  if (!isIPv6(normal)) return normal;
  const [head = '', tail] = normal.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after];
  return `${groups.slice(0, IPV6_NETWORK_GROUPS).join(':')}::/64`;
}
