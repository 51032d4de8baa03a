import { createCipheriv, randomBytes } from 'node:crypto';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The key of a registration, or undefined when it is not 32 bytes in base64. */
export function parseEncryptionKey(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  return key.length === KEY_BYTES ? key : undefined;
}

/**
 * base64(nonce 12 ‖ ciphertext ‖ tag 16) of AES-256-GCM, which CryptoKit opens as the `combined` form of a sealed box.
 * The nonce is random: a registration's key is used for far fewer pushes than the 2^32 that this permits.
 */
export function sealText(key: Buffer, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

/** The number of text bytes that fit when the sealed form can take `maxBytes`; negative when none do. */
export const sealedRoom = (maxBytes: number): number => Math.floor(maxBytes / 4) * 3 - NONCE_BYTES - TAG_BYTES;
