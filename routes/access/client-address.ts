import type { IncomingMessage } from 'node:http';
import { isIPv4, isIPv6 } from 'node:net';
import proxyAddr from 'proxy-addr';

/** Whom a request comes from, as limits and the audit know it. */
export type AddressOf = (request: IncomingMessage) => string;

const trustNobody = () => false;

/**
 * The address of a client. With `trustProxy`, what a proxy on this machine says in `X-Forwarded-For` is believed: the
 * last address there that is not this machine's own. Where that is no address the proxy's own counts, so that whatever a
 * client gets into the header, it does not choose what it is counted by.
 */
export function createAddressOf(trustProxy: boolean): AddressOf {
  const trust = trustProxy ? isLoopback : trustNobody;
  const known = new WeakMap<IncomingMessage, string>();
  return (request) => {
    // A connection that has ended has no address any more: who it was is asked again when the request is recorded.
    const address = known.get(request) ?? addressIn(request, trust);
    known.set(request, address);
    return address;
  };
}

function addressIn(request: IncomingMessage, trust: (text: string) => boolean): string {
  const own = request.socket.remoteAddress;
  if (own === undefined) return 'unknown';
  return parseAddress(proxyAddr(request, trust)) ?? parseAddress(own) ?? 'unknown';
}

const isLoopback = (text: string): boolean => {
  const address = parseAddress(text);
  return address !== undefined && (address.startsWith('127.') || address === '::1');
};

/** `for=` of the header that has replaced this one (RFC 7239), brackets, a port: proxies write them all. */
const WRAPPED = /^(?:for=)?"?(?:\[([^\]"]*)\](?::\d{1,5})?|([\d.]+):\d{1,5}|([^"]*))"?$/i;

/**
 * One spelling of an address, as proxies and sockets write it: without a port, brackets, quotes or a zone, IPv4 as such
 * where IPv6 carries it. Undefined for what is no address.
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

/** As URLs write it. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

const ipv4Of = (high: string, low: string): string =>
  [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((pair) => [pair >> 8, pair & 0xff])
    .join('.');

const IPV6_NETWORK_GROUPS = 4;

/** What is counted together: an IPv4 address, or the /64 of an IPv6 address, which is a single household's. */
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
