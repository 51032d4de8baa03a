import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

export interface HostPolicyOptions {
  /** Names by which this daemon may be called, without ports. */
  hosts: readonly string[];
  /** Origins of pages that may speak to it besides those of its own hosts, and read what it answers. */
  origins: readonly string[];
}

export interface HostPolicy {
  /** Whether the `Host` and, where there is one, the `Origin` of a request are ours. */
  allows(request: IncomingMessage): boolean;
  /** Whether a page of one of the origins speaks. Its own needs no leave; one of another port of its hosts has none. */
  mayRead(request: IncomingMessage): boolean;
}

const LOOPBACK = ['localhost', '127.0.0.1', '::1'];

/**
 * A page on another site can make a browser connect to a loopback port, also under a name of its own that resolves to
 * it (DNS rebinding). So the name that was called must be ours, and so must the page that calls.
 */
export function createHostPolicy({ hosts, origins }: HostPolicyOptions): HostPolicy {
  const names = new Set([...LOOPBACK, ...hosts].map(asInUrl));
  const allowedOrigins = new Set(origins);
  // A name that ends in a dot is the same one, written out in full.
  const isOurs = (url: string) => URL.canParse(url) && names.has(new URL(url).hostname.replace(/\.$/, ''));
  return {
    allows: ({ headers: { host, origin } }) => {
      if (host === undefined || !isOurs(`http://${host}`)) return false;
      return origin === undefined || allowedOrigins.has(origin) || isOurs(origin);
    },
    mayRead: ({ headers: { origin } }) => origin !== undefined && allowedOrigins.has(origin),
  };
}

/** A name as URLs carry it: in small letters, an IPv6 address in brackets and at its shortest. */
function asInUrl(name: string): string {
  const url = `http://${isIP(name) === 6 ? `[${name}]` : name}`;
  return URL.canParse(url) ? new URL(url).hostname : name;
}
