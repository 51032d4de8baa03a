import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const SECRET_BYTES = 32;

/** 256 random bits, base64url. */
export const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url');

/** SHA-256: enough for secrets of 256 bits, and not for passwords. */
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** What is kept of a secret, hexadecimal. */
export const digestOf = (secret: string): string => sha256(secret).toString('hex');

/** Whether the secret has this digest. In constant time, whatever the secret's length. */
export function hasDigest(secret: string, digest: string): boolean {
  const known = Buffer.from(digest, 'hex');
  const given = sha256(secret);
  return known.length === given.length && timingSafeEqual(given, known);
}
