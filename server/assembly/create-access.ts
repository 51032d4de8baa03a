import { BlockList, isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import type { Config } from '../../config/load-config.js';
import type { PairingView } from '../../protocol/auth.js';
import { Admission } from '../../routes/access/admission.js';
import { BodyBudget } from '../../routes/access/body-budget.js';
import { createAddressOf } from '../../routes/access/client-address.js';
import { createHostPolicy } from '../../routes/access/host-policy.js';
import { type LimitSettings, RateLimits } from '../../routes/access/rate-limits.js';
import type { RouteServices } from '../../routes/route-services.js';
import type { Identity } from '../../services/identity/identity.js';
import { findTailscaleName } from '../../services/machine/tailscale-name.js';
import type { Audit } from '../../services/ports/audit.js';
import type { UserId } from '../../services/ports/records.js';
import type { TlsFiles } from '../tls-files.js';
import { lastingAddresses } from './lasting-addresses.js';

interface AccessOptions {
  config: Config;
  identity: Identity;
  tls: TlsFiles | undefined;
  audit: Audit;
  /** The id of the key that signs tokens. */
  keyId: string;
  /** The address of the network server. */
  servedAt: () => string;
}

type Access = Pick<
  RouteServices,
  'admission' | 'bodies' | 'hostPolicy' | 'pairingOf' | 'lastingAddresses' | 'queryToken' | 'compressedConnections'
>;

/** Creates authentication, address rules, rate limits and pairing. */
export function createAccess({ config, identity, tls, audit, keyId, servedAt }: AccessOptions): Access {
  const limits = new RateLimits(limitSettings(config));
  const tailnet = askedSeldom(() => findTailscaleName(config.childEnvironment));
  return {
    admission: new Admission({ identity, limits, audit, addressOf: createAddressOf(config.TRUST_PROXY) }),
    bodies: new BodyBudget(),
    hostPolicy: createHostPolicy({ hosts: ownHosts(config), origins: config.ALLOWED_ORIGINS }),
    pairingOf: async (opened) => {
      const address = await findAddress(config, servedAt());
      const url = opened.browser ? browserUrl(opened, address) : appUrl(opened, address, tls?.fingerprint() ?? keyId);
      return pairingOf(opened, { ...address, url });
    },
    lastingAddresses: async () => {
      const { PORT: port, PUBLIC_URL: publicUrl, ALLOWED_HOSTS: allowedHosts } = config;
      const tailscaleName = publicUrl === undefined ? await tailnet() : undefined;
      return lastingAddresses({ servedAt: servedAt(), port, publicUrl, allowedHosts, tailscaleName });
    },
    queryToken: config.WS_QUERY_TOKEN === 'allow',
    compressedConnections: config.WS_COMPRESSION === 'off' ? 0 : config.WS_COMPRESSION_CONNECTIONS,
  };
}

/** Its answer is another program's, which consoles would start with each page. */
const TAILNET_MS = 600_000;

function askedSeldom<Answer>(ask: () => Promise<Answer>): () => Promise<Answer> {
  let last: { at: number; answer: Promise<Answer> } | undefined;
  return () => {
    const now = performance.now();
    if (!last || now - last.at > TAILNET_MS) last = { at: now, answer: ask() };
    return last.answer;
  };
}

/** Determined for each code: a machine can change its networks while the daemon runs. */
async function findAddress(config: Config, servedAt: string): Promise<PairingAddress> {
  return pairingAddress({
    servedAt,
    publicUrl: config.PUBLIC_URL,
    allowedHosts: config.ALLOWED_HOSTS,
    interfaces: networkInterfaces(),
    tailscaleName: await findTailscaleName(config.childEnvironment),
  });
}

/** Rejects when a person starts too many sessions. */
export const newSessionLimit =
  (limits: RateLimits) =>
  async (owner: UserId): Promise<void> => {
    await limits.take('sessions', owner);
  };

const limitSettings = (config: Config): LimitSettings => ({
  failed: config.LIMIT_FAILED,
  prompts: config.LIMIT_PROMPTS,
  files: config.LIMIT_FILES,
  reads: config.LIMIT_READS,
  frames: config.LIMIT_FRAMES,
  connections: config.LIMIT_CONNECTIONS,
  sessions: config.LIMIT_SESSIONS,
});

const ownHosts = ({ HOST, ALLOWED_HOSTS, PUBLIC_URL }: Config): string[] => [
  HOST,
  ...ALLOWED_HOSTS,
  ...(PUBLIC_URL === undefined ? [] : [new URL(PUBLIC_URL).hostname]),
];

interface OpenCode {
  code: string;
  /** Epoch milliseconds. */
  expiresAt: number;
  browser?: boolean;
}

/**
 * The link for an app: the daemon's address, a one-time code, and a value to recognise the daemon by. That is the SHA-256
 * of its certificate where it terminates TLS itself, else the thumbprint of the key that signs its tokens.
 */
function appUrl({ code }: OpenCode, { url }: PairingAddress, fingerprint: string): string {
  const query = new URLSearchParams({ url, code, fp: fingerprint });
  return `claude-companion://pair?${query.toString()}`;
}

/** The link for a browser: the console, with the code in the fragment, which is not sent and is in no log. */
const browserUrl = ({ code }: OpenCode, { url }: PairingAddress): string => new URL(`#pair=${code}`, url).href;

/** The link as a QR code for a terminal, beside what is typed where it cannot be scanned. */
async function pairingOf({ code, expiresAt }: OpenCode, { url, note }: PairingAddress): Promise<PairingView> {
  const { default: qrcode } = await import('qrcode');
  const qr = await qrcode.toString(url, { type: 'terminal', small: true, errorCorrectionLevel: 'L' });
  return { url, code, expiresAt: new Date(expiresAt).toISOString(), qr, ...(note !== undefined && { note }) };
}

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
