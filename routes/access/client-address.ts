import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import proxyAddr from 'proxy-addr';

/** Whom a request comes from, as limits and the audit know it. */
export type AddressOf = (request: IncomingMessage) => string;

const trustNobody = () => false;

/**
 * The address of a client. With `trustProxy`, what a proxy on this machine says in `X-Forwarded-For` is believed: the
 * last address there that is not this machine's own.
 */
export function createAddressOf(trustProxy: boolean): AddressOf {
  const trust = trustProxy ? proxyAddr.compile('loopback') : trustNobody;
  return (request) => addressOf(request, trust);
}

function addressOf(request: IncomingMessage, trust: (address: string, index: number) => boolean): string {
  try {
    return proxyAddr(request, trust);
  } catch {
    // What the proxy has written is no address.
    return request.socket.remoteAddress ?? 'unknown';
  }
}

const IPV6_NETWORK_GROUPS = 4;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** What is counted together: an IPv4 address, or the /64 of an IPv6 address, which is a single household's. */
export function networkOf(address: string): string {
  const mapped = MAPPED.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after];
  const network = groups.slice(0, IPV6_NETWORK_GROUPS).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}
