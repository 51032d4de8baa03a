import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const SECRET_BYTES = 32;

/** 256 random bits, base64url. */
export const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url');

/** The stored form of a secret: its SHA-256, hexadecimal. Sufficient for secrets of 256 bits, but not for passwords. */
export const digestOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** Whether two digests are equal, in constant time. */
export function isSameDigest(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Whether the secret has this digest. In constant time, whatever the secret's length. */
export const hasDigest = (secret: string, digest: string): boolean => isSameDigest(digestOf(secret), digest);
