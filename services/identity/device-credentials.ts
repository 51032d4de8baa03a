import { nanoid } from 'nanoid';
import type { Scope } from '../../protocol/access.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { DeviceId } from '../../protocol/scalars.js';
import type { DeviceRef, UserId } from '../ports/records.js';
import type { AccessClaims, AccessTokens } from './access-tokens.js';
import type { IsVoid, Principal } from './principal.js';
import { makeRefreshToken, readRefreshToken } from './refresh-tokens.js';
import type { DeviceEntry, RegistryFile, TokenFamily } from './registry-file.js';
import { hasDigest } from './secrets.js';
import type { TokenKeys } from './token-keys.js';

export interface DeviceCredentialsOptions {
  registry: RegistryFile;
  tokens: AccessTokens;
  keys: TokenKeys;
  now: () => number;
  /** What is void from now on: connections of it are to end. */
  onRevoked: (isVoid: IsVoid) => void;
  /** A refresh token was used twice: somebody else has a copy. */
  onReused: (device: DeviceRef, name: string | undefined) => void;
}

/** A device that is let in. */
export interface NewDevice {
  userId: UserId;
  scopes: readonly Scope[];
  name: string;
  platform: string;
  /** Of a device of this person that has been here before. */
  deviceId?: DeviceId | undefined;
}

export interface Grant {
  device: DeviceRef;
  scopes: readonly Scope[];
  accessToken: string;
  refreshToken: string;
  /** Of the access token; epoch milliseconds. */
  expiresAt: number;
}

/** Of one person; more are somebody's mistake. */
const MAX_DEVICES = 100;
/** Whoever has not been here for so long is to pair anew. */
const REFRESH_LIFE_MS = 90 * 86_400_000;
const REUSED = 'a refresh token was used twice';

/** Credentials of single devices: an access token for minutes, and a refresh token that is good for one use. */
export class DeviceCredentials {
  readonly #options: DeviceCredentialsOptions;

  constructor(options: DeviceCredentialsOptions) {
    this.#options = options;
  }

  /** Lets a device in. One that had a credential gets another in its place. */
  async grant({ userId, scopes, name, platform, deviceId = nanoid() as DeviceId }: NewDevice): Promise<Grant> {
    const { registry, keys, now } = this.#options;
    const device = { userId, deviceId };
    const familyId = nanoid();
    const at = now();
    const refresh = makeRefreshToken({ mac: keys.mac, familyId, generation: 1 });
    const { generation, digest } = refresh;
    const family = { familyId, scopes: [...scopes], generation, digest, createdAt: at, refreshedAt: at };
    let replaced: string | undefined;
    await registry.update((data) => {
      const known = data.devices.find((entry) => isEntryOf(entry, device));
      const others = data.devices.filter((entry) => entry !== known);
      if (!known && others.filter((entry) => entry.userId === userId).length >= MAX_DEVICES) {
        const suggestion = 'Revoke devices that are not used any more.';
        throw new CompanionError('CONFLICT', `A person has at most ${MAX_DEVICES} devices.`, { suggestion });
      }
      replaced = known?.family?.familyId;
      const { revoked: _, ...kept }: DeviceEntry = known ?? device;
      data.devices = [...others, { ...kept, name, platform, family }];
    });
    if (replaced !== undefined) this.#revoked(replaced);
    return this.#grantOf(device, family, refresh.token);
  }

  /**
   * A new pair of tokens for a refresh token. Undefined for one that is not good. One that was used before voids all
   * that came of its pairing; with the `requestId` of that use it is a repetition of it, for as long as what was
   * answered then has not been used.
   */
  async refresh(token: string, requestId: string | undefined): Promise<Grant | undefined> {
    const { keys, registry, now } = this.#options;
    const said = readRefreshToken(keys.mac, token);
    if (!said) return undefined;
    const { familyId } = said;
    let granted: { device: DeviceRef; family: TokenFamily; refreshToken: string } | undefined;
    let reused: DeviceEntry | undefined;
    await registry.update((data) => {
      const entry = data.devices.find(({ family }) => family?.familyId === familyId);
      if (!entry?.family || now() - entry.family.refreshedAt > REFRESH_LIFE_MS) return;
      const { family } = entry;
      const next = this.#successor(family, said.generation, token, requestId);
      if (next) {
        granted = { device: refOf(entry), family, refreshToken: next };
        return;
      }
      reused = entry;
      delete entry.family;
      entry.revoked = { at: now(), reason: REUSED };
    });
    if (reused) {
      this.#revoked(familyId);
      this.#options.onReused(refOf(reused), reused.name);
    }
    return granted && this.#grantOf(granted.device, granted.family, granted.refreshToken);
  }

  /** The token that takes the place of this one, and puts it into the family. Undefined where it was used before. */
  #successor(
    family: TokenFamily,
    generation: number,
    token: string,
    requestId: string | undefined,
  ): string | undefined {
    const { mac } = this.#options.keys;
    const { familyId } = family;
    if (hasDigest(token, family.digest)) {
      const next = makeRefreshToken({ mac, familyId, generation: family.generation + 1, requestId });
      Object.assign(family, { generation: next.generation, digest: next.digest, refreshedAt: this.#options.now() });
      return next.token;
    }
    if (requestId === undefined || generation !== family.generation - 1) return undefined;
    const repeated = makeRefreshToken({ mac, familyId, generation: family.generation, requestId });
    return repeated.digest === family.digest ? repeated.token : undefined;
  }

  /** Who has this access token. `void`: its device was revoked, or has another credential by now. */
  principalOf({ userId, deviceId, familyId, scopes, expiresAt }: AccessClaims): Principal | 'void' {
    const entry = this.#options.registry.data.devices.find((one) => isEntryOf(one, { userId, deviceId }));
    if (entry?.family?.familyId !== familyId) return 'void';
    return { userId, credential: 'device', scopes, device: { deviceId, familyId }, expiresAt };
  }

  /** The device is out at once, and is pushed to no more. Resolves to whether it was on record. */
  async revoke(device: DeviceRef, reason: string): Promise<boolean> {
    const { registry, now } = this.#options;
    let isKnown = false;
    await registry.update((data) => {
      const entry = data.devices.find((one) => isEntryOf(one, device));
      if (!entry) return;
      isKnown = true;
      const { family, push: _, ...kept } = entry;
      const others = data.devices.filter((one) => one !== entry);
      // Without a credential of its own there was nothing but a name.
      data.devices = family ? [...others, { ...kept, revoked: { at: now(), reason } }] : others;
    });
    // Also where it came in with a credential that is not its own.
    this.#options.onRevoked(({ userId }, deviceId) => userId === device.userId && deviceId === device.deviceId);
    return isKnown;
  }

  #revoked(familyId: string): void {
    this.#options.onRevoked(({ device }) => device?.familyId === familyId);
  }

  async #grantOf(device: DeviceRef, { familyId, scopes }: TokenFamily, refreshToken: string): Promise<Grant> {
    const claims = { ...device, familyId, scopes: new Set(scopes) };
    const { token: accessToken, expiresAt } = await this.#options.tokens.issue(claims);
    return { device, scopes, accessToken, refreshToken, expiresAt };
  }
}

export const isEntryOf = (entry: Pick<DeviceEntry, 'userId' | 'deviceId'>, { userId, deviceId }: DeviceRef): boolean =>
  entry.userId === userId && entry.deviceId === deviceId;

const refOf = ({ userId, deviceId }: DeviceEntry): DeviceRef => ({
  userId: userId as UserId,
  deviceId: deviceId as DeviceId,
});
