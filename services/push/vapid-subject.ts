/** The contact address for push services of browsers (RFC 8292, section 2.1): the subject that pushes name. */
import { isIP } from 'node:net';
import type { PushProblem } from './apns-key.js';

export interface VapidSubject {
  /** A `mailto:` or `https:` address. */
  subject: string;
  /** It names no contact: Apple's service refuses such pushes, others accept them. */
  isPlaceholder: boolean;
}

const PLACEHOLDER: VapidSubject = { subject: 'mailto:owner@claude-companion.invalid', isPlaceholder: true };

/** The setting, else the daemon's public address if it can be one of the internet. */
export function chooseSubject(setting: string | undefined, publicUrl: string | undefined): VapidSubject {
  if (setting !== undefined) return { subject: setting, isPlaceholder: !isPublicName(hostOf(setting)) };
  if (publicUrl === undefined || !publicUrl.startsWith('https:') || !isPublicName(hostOf(publicUrl)))
    return PLACEHOLDER;
  return { subject: publicUrl, isPlaceholder: false };
}

/** Why Apple's service would refuse the pushes of these subscriptions (their tokens). */
export function subjectProblem({ isPlaceholder }: VapidSubject, tokens: readonly string[]): PushProblem | undefined {
  if (!isPlaceholder || !tokens.some(isOfApple)) return undefined;
  return {
    message: "Apple's push service refuses pushes to Safari without a contact address",
    remedy: 'Set VAPID_SUBJECT to a mailto: or https: address of yours, and restart the daemon.',
  };
}

/** Names of RFC 2606, RFC 6761 and RFC 6762, and those of home networks. */
const LOCAL_NAME = /(^|\.)(invalid|localhost|local|test|example|internal|lan|home|home\.arpa)$/;

const isPublicName = (host: string): boolean => isIP(host) === 0 && host.includes('.') && !LOCAL_NAME.test(host);

/** For `mailto:` the part after the last @. An IPv6 address has no dot. */
const hostOf = (address: string): string => {
  const { protocol, hostname, pathname } = new URL(address);
  return (protocol === 'mailto:' ? pathname.slice(pathname.lastIndexOf('@') + 1) : hostname).toLowerCase();
};

function isOfApple(token: string): boolean {
  try {
    const { endpoint } = JSON.parse(token) as { endpoint: string };
    return new URL(endpoint).hostname.endsWith('.push.apple.com');
  } catch {
    // It is no subscription with an address; the sender reports that.
    return false;
  }
}
