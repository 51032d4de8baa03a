/**
 * The keys that identify this daemon to push services of browsers (RFC 8292). A subscription is bound to the public
 * key.
 */
import { createECDH } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { writeWholeSync } from '../../disk/write-whole.js';
import type { PushProblem } from './apns-key.js';

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

/** The pair of the settings, that of the file, or a new one, which is then in the file. Never throws. */
export function openVapidKeys(settings: VapidKeySettings): { keys: VapidKeys } | { problem: PushProblem } {
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
