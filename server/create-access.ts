import { networkInterfaces } from 'node:os';
import type { Config } from '../config/load-config.js';
import type { PairingView } from '../protocol/auth.js';
import { Admission } from '../routes/access/admission.js';
import { BodyBudget } from '../routes/access/body-budget.js';
import { createAddressOf } from '../routes/access/client-address.js';
import { createHostPolicy } from '../routes/access/host-policy.js';
import { type LimitSettings, RateLimits } from '../routes/access/rate-limits.js';
import type { RouteServices } from '../routes/route-services.js';
import type { Identity } from '../services/identity/identity.js';
import { findTailscaleName } from '../services/machine/tailscale-name.js';
import type { Audit } from '../services/ports/audit.js';
import type { UserId } from '../services/ports/records.js';
import { type PairingAddress, pairingAddress } from './pairing-address.js';
import type { TlsFiles } from './tls-files.js';

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
  'admission' | 'bodies' | 'hostPolicy' | 'pairingOf' | 'queryToken' | 'compressedConnections'
>;

/** Creates authentication, address rules, rate limits and pairing. */
export function createAccess({ config, identity, tls, audit, keyId, servedAt }: AccessOptions): Access {
  const limits = new RateLimits(limitSettings(config));
  return {
    admission: new Admission({ identity, limits, audit, addressOf: createAddressOf(config.TRUST_PROXY) }),
    bodies: new BodyBudget(),
    hostPolicy: createHostPolicy({ hosts: ownHosts(config), origins: config.ALLOWED_ORIGINS }),
    pairingOf: async (opened) => pairingOf(opened, await findAddress(config, servedAt()), tls?.fingerprint() ?? keyId),
    queryToken: config.WS_QUERY_TOKEN === 'allow',
    compressedConnections: config.WS_COMPRESSION === 'off' ? 0 : config.WS_COMPRESSION_CONNECTIONS,
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
}

/**
 * The content of the QR code for an app: the daemon's address, a one-time code, and a value to recognise the daemon by.
 * That is the SHA-256 of its certificate where it terminates TLS itself, else the thumbprint of the key that signs its
 * tokens.
 */
async function pairingOf(
  { code, expiresAt }: OpenCode,
  { url: address, note }: PairingAddress,
  fingerprint: string,
): Promise<PairingView> {
  const query = new URLSearchParams({ url: address, code, fp: fingerprint });
  const url = `claude-companion://pair?${query.toString()}`;
  const { default: qrcode } = await import('qrcode');
  const qr = await qrcode.toString(url, { type: 'terminal', small: true, errorCorrectionLevel: 'L' });
  return { url, code, expiresAt: new Date(expiresAt).toISOString(), qr, ...(note !== undefined && { note }) };
}
