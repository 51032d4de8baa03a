/**
 * The identity of this daemon for push services of browsers (RFC 8292): its keys, to whose public one a subscription is
 * bound, and the contact address that pushes name (section 2.1).
 */
import { createECDH } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import * as z from 'zod';
import { writeWholeSync } from '../../../disk/write-whole.js';
import type { PushProblem } from '../apns/apns-key.js';

const CURVE = 'prime256v1';
const PRIVATE_KEY_BYTES = 32;

const keysSchema = z.object({ publicKey: z.string(), privateKey: z.string() });
/** Both in base64url: an uncompressed point and a scalar of P-256. */
export type VapidKeys = z.infer<typeof keysSchema>;

export interface VapidKeySettings {
  publicKey?: string | undefined;
  privateKey?: string | undefined;
  /** The file of a generated pair. */
  file: string;
}

export type OpenedVapidKeys = { keys: VapidKeys } | { problem: PushProblem };

/** The pair of the settings, that of the file, or a new one, which is then in the file. Never throws. */
export function openVapidKeys(settings: VapidKeySettings): OpenedVapidKeys {
  const { publicKey, privateKey } = settings;
  if (publicKey !== undefined && privateKey !== undefined)
    return checked({ publicKey, privateKey }, 'VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY');
  if (publicKey !== undefined || privateKey !== undefined) {
    const missing = publicKey === undefined ? 'VAPID_PUBLIC_KEY' : 'VAPID_PRIVATE_KEY';
    return {
      problem: { message: `${missing} is not set`, remedy: 'Set both VAPID keys or neither, and restart the daemon.' },
    };
  }
  return keptIn(settings.file);
}

function keptIn(file: string): { keys: VapidKeys } | { problem: PushProblem } {
  try {
    const keys = read(file) ?? create(file);
    return checked(keys, file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'not what was written there';
    return { problem: { message: `the VAPID keys cannot be kept in ${file} (${code})`, remedy: REMEDY } };
  }
}

const REMEDY =
  'Make the file readable and writable, or remove it: browsers must then subscribe again. Restart the daemon afterwards.';

function read(file: string): VapidKeys | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  // A full disk or a machine crash left an empty file: no browser ever saw its keys.
  if (/^[\s\0]*$/.test(text)) return undefined;
  return keysSchema.parse(JSON.parse(text));
}

function create(file: string): VapidKeys {
  const curve = createECDH(CURVE);
  const publicKey = curve.generateKeys('base64url');
  const scalar = curve.getPrivateKey();
  const padded = Buffer.concat([Buffer.alloc(PRIVATE_KEY_BYTES - scalar.length), scalar]);
  const keys = { publicKey, privateKey: padded.toString('base64url') };
  writeWholeSync(file, JSON.stringify(keys));
  return keys;
}

function checked(keys: VapidKeys, where: string): { keys: VapidKeys } | { problem: PushProblem } {
  if (publicKeyOf(keys.privateKey)?.equals(Buffer.from(keys.publicKey, 'base64url'))) return { keys };
  return { problem: { message: `${where}: the two VAPID keys do not belong together`, remedy: REMEDY } };
}

function publicKeyOf(privateKey: string): Buffer | undefined {
  try {
    const curve = createECDH(CURVE);
    curve.setPrivateKey(privateKey, 'base64url');
    return curve.getPublicKey();
  } catch {
    // It is no key of this curve. OpenSSL's message can contain it.
    return undefined;
  }
}

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
