import { BlockList, isIP } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

/** Addresses that other devices cannot reach: loopback, "all interfaces", and link-local ones without DHCP. */
const UNREACHABLE = new BlockList();
UNREACHABLE.addSubnet('127.0.0.0', 8, 'ipv4');
UNREACHABLE.addSubnet('169.254.0.0', 16, 'ipv4');
UNREACHABLE.addAddress('0.0.0.0', 'ipv4');
UNREACHABLE.addAddress('::1', 'ipv6');
UNREACHABLE.addAddress('::', 'ipv6');
UNREACHABLE.addSubnet('fe80::', 10, 'ipv6');

/** Addresses that Tailscale assigns. */
const TAILNET = new BlockList();
TAILNET.addSubnet('100.64.0.0', 10, 'ipv4');

const ALL_INTERFACES = ['0.0.0.0', '::'];

export type Interfaces = NodeJS.Dict<Pick<NetworkInterfaceInfo, 'address' | 'family' | 'internal'>[]>;

interface Facts {
  /** The address on which the daemon listens. */
  servedAt: string;
  /** `PUBLIC_URL`. */
  publicUrl: string | undefined;
  /** `ALLOWED_HOSTS`. */
  allowedHosts: readonly string[];
  interfaces: Interfaces;
  /** The name of this machine in its tailnet. */
  tailscaleName: string | undefined;
}

export interface PairingAddress {
  /** The address in the pairing code. */
  url: string;
  /** The setting to change, when no other device can reach `url`. */
  note?: string;
}

/**
 * The address in a pairing code: `PUBLIC_URL`; else the one on which the daemon listens; and where that is every
 * interface, an address or the Tailscale name of this machine that is in `ALLOWED_HOSTS`. Plain HTTP on every interface
 * is meant for a proxy, so its port is never given to a phone.
 */
export function pairingAddress(facts: Facts): PairingAddress {
  const url = facts.publicUrl ?? allowedAddress(facts) ?? facts.servedAt;
  return isUnreachable(hostOf(url)) ? { url, note: noteFor(url, facts) } : { url };
}

function allowedAddress({ servedAt, allowedHosts, interfaces, tailscaleName }: Facts): string | undefined {
  if (!isOnAllInterfaces(servedAt) || !isTls(servedAt)) return undefined;
  const own = [...(tailscaleName === undefined ? [] : [tailscaleName]), ...addressesOf(interfaces)];
  const allowed = allowedHosts.map((host) => host.toLowerCase());
  const found = own.find((host) => allowed.includes(host.toLowerCase()));
  return found === undefined ? undefined : `https://${found}:${portOf(servedAt)}`;
}

/** IPv4 addresses at which another device can reach this machine. */
const addressesOf = (interfaces: Interfaces): string[] =>
  Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ address, family, internal }) => family === 'IPv4' && !internal && !isUnreachable(address))
    .map(({ address }) => address);

function noteFor(url: string, facts: Facts): string {
  const steps = [...tailscaleStep(facts), ...networkStep(facts)];
  const todo =
    steps.length > 0
      ? `Stop the daemon, and start it with one of:\n${steps.map((step) => `  ${step}`).join('\n')}\n`
      : 'Stop the daemon, and start it with PUBLIC_URL set to an address that a phone can reach.\n';
  return `No other device can reach ${url}, which this code holds.\n${todo}README.md describes each way under "To a phone".`;
}

/** Tailscale terminates TLS, and forwards requests to the daemon on loopback. */
function tailscaleStep({ servedAt, tailscaleName }: Facts): string[] {
  if (tailscaleName === undefined) return [];
  const port = portOf(servedAt);
  if (isTls(servedAt)) return [`PUBLIC_URL=https://${tailscaleName}:${port}`];
  return [`PUBLIC_URL=https://${tailscaleName} TRUST_PROXY=true (after: tailscale serve --bg ${port})`];
}

function networkStep({ servedAt, interfaces }: Facts): string[] {
  const port = portOf(servedAt);
  const listening = isOnAllInterfaces(servedAt) ? '' : 'HOST=0.0.0.0 ';
  const tls = isTls(servedAt) ? '' : 'TLS_CERT_FILE=<certificate> TLS_KEY_FILE=<key> ';
  return addressesOf(interfaces).map((address) => {
    const kind = TAILNET.check(address, 'ipv4') ? ' (Tailscale)' : '';
    return `${listening}${tls}ALLOWED_HOSTS=${address} PUBLIC_URL=https://${address}:${port}${kind}`;
  });
}

const hostOf = (url: string): string => new URL(url).hostname.replace(/^\[|\]$/g, '');
const portOf = (url: string): string => new URL(url).port || (isTls(url) ? '443' : '80');
const isTls = (url: string): boolean => url.startsWith('https:');
const isOnAllInterfaces = (url: string): boolean => ALL_INTERFACES.includes(hostOf(url));

function isUnreachable(host: string): boolean {
  const version = isIP(host);
  return version === 0 ? host === 'localhost' : UNREACHABLE.check(host, version === 6 ? 'ipv6' : 'ipv4');
}
