import type { LastingAddress } from '../../protocol/usage.js';

export interface LastingFacts {
  /** The address on which the daemon listens. */
  servedAt: string;
  /** `PORT`; 0 is another one at each start. */
  port: number;
  /** `PUBLIC_URL`. */
  publicUrl: string | undefined;
  /** `ALLOWED_HOSTS`. */
  allowedHosts: readonly string[];
  /** The name of this machine in its tailnet. */
  tailscaleName: string | undefined;
}

const ALL_INTERFACES = /^(https?:\/\/)(?:0\.0\.0\.0|\[::\])(?=:|$)/;

/**
 * The addresses of the daemon that last, the best first: `PUBLIC_URL` alone where it is set; else the name of this
 * machine in its tailnet, `suggested` where the daemon would not answer under it yet, and the address on which it
 * listens, for a browser of the same machine, unless its port is another one after each start.
 */
export function lastingAddresses(facts: LastingFacts): LastingAddress[] {
  const { servedAt, port, publicUrl, allowedHosts, tailscaleName } = facts;
  if (publicUrl !== undefined) return [{ url: new URL(publicUrl).origin, state: 'lasting' }];
  const isAllowed = allowedHosts.some((host) => host.toLowerCase() === tailscaleName?.toLowerCase());
  return [
    ...(tailscaleName === undefined
      ? []
      : [{ url: `https://${tailscaleName}`, state: isAllowed ? ('lasting' as const) : ('suggested' as const) }]),
    ...(port === 0 ? [] : [{ url: servedAt.replace(ALL_INTERFACES, '$1localhost'), state: 'lasting' as const }]),
  ];
}
