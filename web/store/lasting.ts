/** Whether the address of a page will be that of the daemon tomorrow too: one that will not is no home for an app. Pure. */
import type { LastingAddress } from '../../protocol/usage.js';

export type Lasting =
  | { kind: 'lasting' }
  /** `instead`: where the console can be installed. `suggested`: where it could, after a setting. */
  | { kind: 'passing'; instead: string | undefined; suggested: string | undefined };

/** Names that a tunnel has until it is closed. */
const TUNNELS =
  /(?:^|\.)(?:trycloudflare\.com|ngrok(?:-free)?\.(?:app|dev|io)|loca\.lt|lhr\.life|localhost\.run|serveo\.net|devtunnels\.ms|githubpreview\.dev|app\.github\.dev)$/;
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;
const IP = /^(?:\d+(?:\.\d+){3}|\[[\da-f:]+\])$/;

/** `addresses`: what the daemon says of itself. Older daemons say nothing: then the name alone decides. */
export function lastingOf(origin: string, addresses: readonly LastingAddress[] = []): Lasting {
  const lasting = addresses.filter(({ state }) => state === 'lasting').map(({ url }) => url);
  if (lasting.some((url) => isSame(url, origin))) return { kind: 'lasting' };
  const isPublic = lasting.length === 1 && addresses.length === 1 && !isLoopback(lasting[0] ?? '');
  if (!isPublic && isLastingName(new URL(origin))) return { kind: 'lasting' };
  // One of this machine is of use to no other.
  const [instead] = isLoopback(origin) ? lasting : lasting.filter((url) => !isLoopback(url));
  const suggested = addresses.find(({ state }) => state === 'suggested')?.url;
  return { kind: 'passing', instead, suggested: instead === undefined ? suggested : undefined };
}

/** A machine has several names for itself. */
const isSame = (one: string, other: string): boolean => nameOf(one) === nameOf(other);

function nameOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  return [protocol, LOOPBACK.test(hostname) ? 'localhost' : hostname, port].join(' ');
}

const isLoopback = (url: string): boolean => LOOPBACK.test(new URL(url).hostname);

const isLastingName = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' && !LOOPBACK.test(hostname) && !IP.test(hostname) && !TUNNELS.test(hostname);
