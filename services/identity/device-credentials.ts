import { nanoid } from 'nanoid';
import type { Scope } from '../../protocol/access.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { DeviceId } from '../../protocol/scalars.js';
import type { DeviceRef, UserId } from '../ports/records.js';
import type { AccessClaims, AccessTokens } from './access-tokens.js';
import { dropOldestOut, makeRoom } from './device-limit.js';
import type { IsVoid, Principal } from './principal.js';
import { makeRefreshToken, readRefreshToken } from './refresh-tokens.js';
import type { DeviceEntry, RegistryData, RegistryFile, TokenFamily } from './registry-file.js';
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

export interface Revocation {
  /** Shown with the device. */
  reason: string;
  wasHere?: boolean;
}

export interface Grant {
  device: DeviceRef;
  scopes: readonly Scope[];
  accessToken: string;
  refreshToken: string;
  /** Of the access token; epoch milliseconds. */
  expiresAt: number;
}

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
      // They may have been removed since the code was made.
      if (!data.users.some((user) => user.userId === userId))
        throw new CompanionError('NOT_FOUND', 'There is no such person.');
      const known = data.devices.find((entry) => isEntryOf(entry, device));
      if (!known) makeRoom(data, userId);
      const others = data.devices.filter((entry) => entry !== known);
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
    const said = this.#read(token);
    if (!said) return undefined;
    let granted: { device: DeviceRef; family: TokenFamily; refreshToken: string } | undefined;
    let reused: DeviceEntry | undefined;
    await this.#options.registry.update((data) => {
      const entry = data.devices.find(({ family }) => family?.familyId === said.familyId);
      // A later one than is on record: the registry is an older one, and nobody is a thief.
      if (!entry?.family || said.generation > entry.family.generation) return false;
      const { family } = entry;
      const before = family.generation;
      const next = this.#successor(family, said.generation, token, requestId);
      if (next) granted = { device: refOf(entry), family, refreshToken: next };
      else reused = entry;
      return family.generation !== before;
    });
    if (reused) await this.#expelThief(said.familyId, reused);
    return granted && this.#grantOf(granted.device, granted.family, granted.refreshToken);
  }

  /** Whose refresh token it is, good or used; undefined for one of a device that is out, and for one that was made up. */
  ownerOf(refreshToken: string): UserId | undefined {
    const said = this.#read(refreshToken);
    return said?.entry.userId as UserId | undefined;
  }

  /** What is not on record is told without a write. */
  #read(token: string): { familyId: string; generation: number; entry: DeviceEntry } | undefined {
    const { keys, registry, now } = this.#options;
    const said = readRefreshToken(keys.mac, token);
    if (!said) return undefined;
    const entry = registry.data.devices.find(({ family }) => family?.familyId === said.familyId);
    if (!entry?.family || now() - entry.family.refreshedAt > REFRESH_LIFE_MS) return undefined;
    return { ...said, entry };
  }

  async #expelThief(familyId: string, { name, ...entry }: DeviceEntry): Promise<void> {
    const { registry, onReused, now } = this.#options;
    try {
      await registry.insist((data) => {
        const known = data.devices.find(({ family }) => family?.familyId === familyId);
        if (!known) return;
        delete known.family;
        known.revoked = { at: now(), reason: REUSED };
      });
    } finally {
      this.#revoked(familyId);
      onReused(refOf(entry), name);
    }
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

  /** Whether what once let somebody in still would. */
  isCurrent({ userId, device }: Principal): boolean {
    const entry = device && this.#options.registry.data.devices.find((one) => isEntryOf(one, { userId, ...device }));
    return entry?.family !== undefined && entry.family.familyId === device?.familyId;
  }

  /**
   * The device is out at once, and is pushed to no more; neither does its name come back by a credential that is not a
   * device's. `wasHere`: it is known by its connections alone. Resolves to whether it was known; rejects with
   * `STORAGE_FULL` when it is out and that could not be written yet.
   */
  async revoke(device: DeviceRef, { reason, wasHere = false }: Revocation): Promise<boolean> {
    const { registry, now, onRevoked } = this.#options;
    const isKnown = wasHere || registry.data.devices.some((one) => isEntryOf(one, device));
    try {
      if (isKnown) await registry.insist((data) => putOut(data, device, { at: now(), reason }));
    } finally {
      // Also where it came in with a credential that is not its own.
      onRevoked(({ userId }, deviceId) => userId === device.userId && deviceId === device.deviceId);
    }
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

/** Recorded also where it had no credential of its own: its name is what a later connection is refused by. */
function putOut(data: RegistryData, device: DeviceRef, revoked: NonNullable<DeviceEntry['revoked']>): void {
  const entry = data.devices.find((one) => isEntryOf(one, device));
  // What is revoked is never refused for lack of room.
  if (!entry) dropOldestOut(data, device.userId);
  const { family: _family, push: _push, ...kept }: DeviceEntry = entry ?? device;
  data.devices = [...data.devices.filter((one) => one !== entry), { ...kept, revoked }];
}

export const isEntryOf = (entry: Pick<DeviceEntry, 'userId' | 'deviceId'>, { userId, deviceId }: DeviceRef): boolean =>
  entry.userId === userId && entry.deviceId === deviceId;

const refOf = ({ userId, deviceId }: DeviceEntry): DeviceRef => ({
  userId: userId as UserId,
  deviceId: deviceId as DeviceId,
});
