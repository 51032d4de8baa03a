import { BlockList, isIP } from 'node:net';
import type { Settings } from './settings.js';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * The problem with how the daemon would be reached, since individually valid settings can conflict: credentials must
 * not cross a network in clear text.
 */
export function doorProblem(settings: Settings): string | undefined {
  const { HOST, TLS_CERT_FILE, TLS_KEY_FILE, TRUST_PROXY } = settings;
  if (TLS_CERT_FILE !== undefined && TLS_KEY_FILE === undefined) return missing('TLS_KEY_FILE', 'TLS_CERT_FILE');
  if (TLS_CERT_FILE === undefined && TLS_KEY_FILE !== undefined) return missing('TLS_CERT_FILE', 'TLS_KEY_FILE');
  if (TLS_CERT_FILE !== undefined || TRUST_PROXY || isLoopback(HOST)) return undefined;
  return (
    `HOST is ${JSON.stringify(HOST)}, which other machines can reach, and credentials would go there in the clear: ` +
    'set TLS_CERT_FILE and TLS_KEY_FILE, or TRUST_PROXY=true behind a proxy that speaks TLS, or leave HOST at 127.0.0.1'
  );
}

const missing = (name: string, given: string) => `${name} is not set, but ${given} is: set both or neither`;

function isLoopback(host: string): boolean {
  const version = isIP(host);
  return version === 0 ? host.toLowerCase() === 'localhost' : LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}
