/**
 * Refresh tokens: `<family>.<generation>.<secret>.<mac>`. The daemon stores only the digest of each family's newest
 * one; the MAC distinguishes an old valid token from a forged one, whatever its age.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { digestOf, newSecret } from './secrets.js';

export interface RefreshToken {
  token: string;
  generation: number;
  /** The part stored in the registry. */
  digest: string;
}

interface Successor {
  mac: Buffer;
  familyId: string;
  generation: number;
  /** Recreates the same token for a retry of a request whose answer was lost. */
  requestId?: string | undefined;
}

export function makeRefreshToken({ mac, familyId, generation, requestId }: Successor): RefreshToken {
  const secret =
    requestId === undefined
      ? newSecret()
      : createHmac('sha256', mac).update(`retry\0${familyId}\0${generation}\0${requestId}`).digest('base64url');
  const claims = `${familyId}.${generation}.${secret}`;
  const token = `${claims}.${macOf(mac, claims)}`;
  return { token, generation, digest: digestOf(token) };
}

/** The content of a token; undefined for one not made with this key. */
export function readRefreshToken(mac: Buffer, token: string): { familyId: string; generation: number } | undefined {
  const [, claims = '', familyId = '', generation = '', given = ''] =
    /^(([\w-]{1,64})\.(\d{1,15})\.[\w-]{43})\.([\w-]{43})$/.exec(token) ?? [];
  const right = Buffer.from(macOf(mac, claims));
  const said = Buffer.from(given);
  if (said.length !== right.length || !timingSafeEqual(said, right)) return undefined;
  return { familyId, generation: Number(generation) };
}

const macOf = (mac: Buffer, claims: string): string =>
  createHmac('sha256', mac).update(`refresh\0${claims}`).digest('base64url');
