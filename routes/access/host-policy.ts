import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

export interface HostPolicyOptions {
  /** Permitted host names of this daemon, without ports. */
  hosts: readonly string[];
  /** Origins of pages that can send requests and read the answers, in addition to those of its own hosts. */
  origins: readonly string[];
}

export interface HostPolicy {
  /** Whether the `Host` and, where present, the `Origin` of a request are permitted. */
  allows(request: IncomingMessage): boolean;
  /**
   * Whether the request comes from a page of one of the origins. The daemon's own origin needs no permission; another
   * port of its hosts has none.
   */
  mayRead(request: IncomingMessage): boolean;
}

const LOOPBACK = ['localhost', '127.0.0.1', '::1'];

/**
 * A page on another site can make a browser connect to a loopback port, also under its own name that resolves to it
 * (DNS rebinding). So both the requested name and the page's origin must be the daemon's.
 */
export function createHostPolicy({ hosts, origins }: HostPolicyOptions): HostPolicy {
  const names = new Set([...LOOPBACK, ...hosts].map(asInUrl));
  const allowedOrigins = new Set(origins);
  // A trailing dot marks the same name as fully qualified.
  const isOurs = (url: string) => URL.canParse(url) && names.has(new URL(url).hostname.replace(/\.$/, ''));
  return {
    allows: ({ headers: { host, origin } }) => {
      if (host === undefined || !isOurs(`http://${host}`)) return false;
      return origin === undefined || allowedOrigins.has(origin) || isOurs(origin);
    },
    mayRead: ({ headers: { origin } }) => origin !== undefined && allowedOrigins.has(origin),
  };
}

/** A name in the form of URLs: in lower case, an IPv6 address in brackets and compressed. */
function asInUrl(name: string): string {
  const url = `http://${isIP(name) === 6 ? `[${name}]` : name}`;
  return URL.canParse(url) ? new URL(url).hostname : name;
}
