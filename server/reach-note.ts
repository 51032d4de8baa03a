import { BlockList, isIP } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

const UNREACHABLE = new BlockList();
UNREACHABLE.addSubnet('127.0.0.0', 8, 'ipv4');
UNREACHABLE.addAddress('0.0.0.0', 'ipv4');
UNREACHABLE.addAddress('::1', 'ipv6');
UNREACHABLE.addAddress('::', 'ipv6');

/** Addresses that Tailscale gives its machines. */
const TAILNET = new BlockList();
TAILNET.addSubnet('100.64.0.0', 10, 'ipv4');

type Interfaces = NodeJS.Dict<Pick<NetworkInterfaceInfo, 'address' | 'family' | 'internal'>[]>;

/**
 * What to set when the address of a pairing link is one that no other device can reach, with the addresses that this
 * machine has; undefined when there is nothing to say.
 */
export function reachNote(url: string, interfaces: Interfaces): string | undefined {
  const { hostname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const version = isIP(host);
  const isUnreachable = version === 0 ? host === 'localhost' : UNREACHABLE.check(host, version === 6 ? 'ipv6' : 'ipv4');
  if (!isUnreachable) return undefined;
  const found = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => (TAILNET.check(address, 'ipv4') ? `${address} (Tailscale)` : address));
  const own = found.length === 0 ? '' : ` Addresses of this machine: ${found.join(', ')}.`;
  return (
    `No other device can reach ${url}, which this code holds. Set PUBLIC_URL to the address by which a phone reaches ` +
    `the daemon, and start it again; README.md has the three ways under "To a phone".${own}`
  );
}
