import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  randomUUID,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { calculateJwkThumbprint, errors, exportJWK, jwtVerify, SignJWT } from 'jose';
import * as z from 'zod';
import { BrokenFileError } from '../../disk/json-fault.js';
import { writeWholeSync } from '../../disk/write-whole.js';
import { SCOPES, type Scope } from '../../protocol/access.js';
import { toStorageError } from '../../protocol/failures.js';
import type { DeviceId } from '../../protocol/scalars.js';
import type { UserId } from '../ports/records.js';

const LIFE_S = 900;
/** Tolerance for a clock that was set meanwhile, in seconds. */
const TOLERANCE_S = 5;
const SECOND_MS = 1000;

const ISSUER = 'claude-companion';
/** RFC 9068. */
const TYPE = 'at+jwt';
const ALGORITHM = 'EdDSA';

/** The content of an access token. */
export interface AccessClaims {
  userId: UserId;
  deviceId: DeviceId;
  familyId: string;
  scopes: ReadonlySet<Scope>;
  /** Epoch milliseconds. */
  issuedAt: number;
  expiresAt: number;
}

const claimsSchema = z.object({
  sub: z.string(),
  device: z.string(),
  family: z.string(),
  scope: z.string(),
  iat: z.number(),
  exp: z.number(),
});

/** Recently verified tokens are cached: verifying a signature takes a hundred times as long as a lookup. */
const MAX_KNOWN = 1000;

/** Access tokens: JWT (RFC 7519), signed with Ed25519, valid for 15 minutes. */
export class AccessTokens {
  readonly #keys: TokenKeys;
  readonly #now: () => number;
  readonly #head: string;
  /** Keyed by the SHA-256 of the token. */
  readonly #known = new Map<string, AccessClaims>();

  constructor({ keys, now }: { keys: TokenKeys; now: () => number }) {
    this.#keys = keys;
    this.#now = now;
    this.#head = `${Buffer.from(JSON.stringify(headerOf(keys))).toString('base64url')}.`;
  }

  async issue(claims: Omit<AccessClaims, 'issuedAt' | 'expiresAt'>): Promise<{ token: string; expiresAt: number }> {
    const issuedAt = Math.floor(this.#now() / SECOND_MS);
    const { signing, instance } = this.#keys;
    const { userId, deviceId, familyId, scopes } = claims;
    const token = await new SignJWT({ device: deviceId, family: familyId, scope: [...scopes].join(' ') })
      .setProtectedHeader(headerOf(this.#keys))
      .setIssuer(ISSUER)
      .setAudience(instance)
      .setSubject(userId)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + LIFE_S)
      .sign(signing);
    return { token, expiresAt: (issuedAt + LIFE_S) * SECOND_MS };
  }

  /** Whether it has the header common to all our tokens: a token without it is rejected without a key. */
  mayBe(token: string): boolean {
    return token.startsWith(this.#head);
  }

  /** `digest`: the token's. `void`: ours, but expired. `unknown`: not ours. */
  async verify(token: string, digest: string): Promise<AccessClaims | 'void' | 'unknown'> {
    const known = this.#known.get(digest);
    if (known) return this.#isCurrent(known) ? known : 'void';
    if (!this.mayBe(token)) return 'unknown';
    const claims = await this.#read(token);
    if (typeof claims === 'object') this.#remember(digest, claims);
    return claims;
  }

  async #read(token: string): Promise<AccessClaims | 'void' | 'unknown'> {
    try {
      const { payload } = await jwtVerify(token, this.#keys.verifying, {
        algorithms: [ALGORITHM],
        typ: TYPE,
        issuer: ISSUER,
        audience: this.#keys.instance,
        // Also rejects a token from the future.
        maxTokenAge: LIFE_S,
        clockTolerance: TOLERANCE_S,
        currentDate: new Date(this.#now()),
      });
      return claimsOf(claimsSchema.parse(payload));
    } catch (error) {
      // The signature is verified before the expiry.
      return error instanceof errors.JWTExpired ? 'void' : 'unknown';
    }
  }

  #isCurrent({ issuedAt, expiresAt }: AccessClaims): boolean {
    const now = this.#now();
    return now < expiresAt + TOLERANCE_S * SECOND_MS && issuedAt <= now + TOLERANCE_S * SECOND_MS;
  }

  #remember(digest: string, claims: AccessClaims): void {
    this.#known.set(digest, claims);
    if (this.#known.size <= MAX_KNOWN) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

const headerOf = ({ keyId }: TokenKeys) => ({ alg: ALGORITHM, typ: TYPE, kid: keyId });

const claimsOf = ({ sub, device, family, scope, iat, exp }: z.infer<typeof claimsSchema>): AccessClaims => ({
  userId: sub as UserId,
  deviceId: device as DeviceId,
  familyId: family,
  scopes: new Set(SCOPES.filter((name) => scope.split(' ').includes(name))),
  issuedAt: iat * SECOND_MS,
  expiresAt: exp * SECOND_MS,
});

const MAC_BYTES = 32;

const fileSchema = z.object({
  /** Identifies this daemon in its tokens: those of other daemons are invalid here. */
  instance: z.string().min(1),
  /** PKCS #8, PEM: Ed25519. */
  signingKey: z.string(),
  macKey: z.string().refine((text) => Buffer.from(text, 'base64url').length === MAC_BYTES),
});

/** The keys for signing access tokens and creating refresh tokens. */
export interface TokenKeys {
  instance: string;
  signing: KeyObject;
  verifying: KeyObject;
  /** RFC 7638 thumbprint of the verifying key. */
  keyId: string;
  mac: Buffer;
}

/** Reads or creates the keys of this home. Throws `BrokenFileError` when they are invalid. */
export async function openTokenKeys(path: string): Promise<TokenKeys> {
  const { instance, signingKey, macKey } = read(path) ?? create(path);
  const signing = createPrivateKey(signingKey);
  const verifying = createPublicKey(signing);
  const keyId = await calculateJwkThumbprint(await exportJWK(verifying));
  return { instance, signing, verifying, keyId, mac: Buffer.from(macKey, 'base64url') };
}

function read(path: string): z.infer<typeof fileSchema> | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const keys = fileSchema.parse(JSON.parse(text));
    if (createPrivateKey(keys.signingKey).asymmetricKeyType !== 'ed25519') throw new Error('another kind of key');
    return keys;
  } catch {
    // The original error can quote the file's content.
    throw new BrokenFileError(
      `${path} does not contain valid keys. Restore or remove it. After a removal, all devices must be paired again.`,
    );
  }
}

/** A partly written key would make every later start fail. */
function create(path: string): z.infer<typeof fileSchema> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const keys = {
    instance: randomUUID(),
    signingKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    macKey: randomBytes(MAC_BYTES).toString('base64url'),
  };
  try {
    writeWholeSync(path, JSON.stringify(keys));
  } catch (error) {
    throw toStorageError('The key of the tokens', error);
  }
  return keys;
}
