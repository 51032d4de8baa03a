import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Scope } from '../../protocol/access.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { DeviceId } from '../../protocol/scalars.js';
import { isSameDevice } from '../model/devices.js';
import type { Guarded } from '../model/guard.js';
import { newId } from '../model/new-id.js';
import type { DeviceRef, UserId } from '../ports/records.js';
import type { AccessClaims, AccessTokens, TokenKeys } from './access-tokens.js';
import type { IsVoid, Principal } from './principal.js';
import type { DeviceEntry, RegistryData, RegistryFile, TokenFamily } from './registry-file.js';
import { digestOf, hasDigest, newSecret } from './secrets.js';

export interface DeviceCredentialsOptions {
  registry: RegistryFile;
  tokens: AccessTokens;
  keys: TokenKeys;
  now: () => number;
  /** Receives what was revoked: its connections must end. */
  onRevoked: (isVoid: IsVoid) => void;
  /** A refresh token was used twice: there is a second holder. */
  onReused: (device: DeviceRef, name: string | undefined) => void;
}

/** A device to admit. */
export interface NewDevice {
  userId: UserId;
  scopes: readonly Scope[];
  name: string;
  platform: string;
  /** The id of a device that this person has used before. */
  deviceId?: DeviceId | undefined;
}

export interface Revocation extends Guarded {
  /** Shown with the device. */
  reason: string;
  wasHere?: boolean;
}

export interface Grant {
  device: DeviceRef;
  scopes: readonly Scope[];
  accessToken: string;
  refreshToken: string;
  /** Expiry of the access token; epoch milliseconds. */
  expiresAt: number;
}

/** A device that is absent for this long must pair again. */
const REFRESH_LIFE_MS = 90 * 86_400_000;
const REUSED = 'a refresh token was used twice';

/** Credentials of single devices: an access token valid for minutes, and a single-use refresh token. */
export class DeviceCredentials {
  readonly #options: DeviceCredentialsOptions;

  constructor(options: DeviceCredentialsOptions) {
    this.#options = options;
  }

  /** Admits a device. An existing credential of the device is replaced. */
  async grant({ userId, scopes, name, platform, deviceId = newId() as DeviceId }: NewDevice): Promise<Grant> {
    const { registry, keys, now } = this.#options;
    const device = { userId, deviceId };
    const familyId = newId();
    const at = now();
    const refresh = makeRefreshToken({ mac: keys.mac, familyId, generation: 1 });
    const { generation, digest } = refresh;
    const family = { familyId, scopes: [...scopes], generation, digest, createdAt: at, refreshedAt: at };
    let replaced: string | undefined;
    await registry.update((data) => {
      // The person can have been removed since the code was created.
      if (!data.users.some((user) => user.userId === userId))
        throw new CompanionError('NOT_FOUND', 'There is no such person.');
      const known = data.devices.find((entry) => isSameDevice(entry, device));
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
   * Exchanges a refresh token for a new pair. Undefined for an invalid one. A reused one voids everything derived from
   * its pairing; with the `requestId` of its first use it counts as a retry, until the token issued then has been used.
   */
  async refresh(token: string, requestId: string | undefined): Promise<Grant | undefined> {
    const said = this.#read(token);
    if (!said) return undefined;
    let granted: { device: DeviceRef; family: TokenFamily; refreshToken: string } | undefined;
    let reused: DeviceEntry | undefined;
    await this.#options.registry.update((data) => {
      const entry = data.devices.find(({ family }) => family?.familyId === said.familyId);
      // A later generation than recorded: the registry was restored from an older copy, and nothing was stolen.
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

  /** The owner of a refresh token, valid or used; undefined for a revoked device's token and for a forged one. */
  ownerOf(refreshToken: string): UserId | undefined {
    const said = this.#read(refreshToken);
    return said?.entry.userId as UserId | undefined;
  }

  /** Answers for unrecorded tokens without a write. */
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

  /** Creates the token that replaces this one and adds it to the family. Undefined when it was used before. */
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

  /** The holder of this access token. `void`: its device was revoked, or has a newer credential. */
  principalOf({ userId, deviceId, familyId, scopes, expiresAt }: AccessClaims): Principal | 'void' {
    const entry = this.#options.registry.data.devices.find((one) => isSameDevice(one, { userId, deviceId }));
    if (entry?.family?.familyId !== familyId) return 'void';
    return { userId, credential: 'device', scopes, device: { deviceId, familyId }, expiresAt };
  }

  /** Whether a credential accepted earlier would still be accepted. */
  isCurrent({ userId, device }: Principal): boolean {
    const entry = device && this.#options.registry.data.devices.find((one) => isSameDevice(one, { userId, ...device }));
    return entry?.family !== undefined && entry.family.familyId === device?.familyId;
  }

  /**
   * Revokes the device at once and stops its pushes; credentials not tied to a device cannot readmit its name.
   * `wasHere`: it is known only by its connections. Resolves to whether it was known; rejects with `STORAGE_FULL` when
   * it is revoked but that could not yet be written.
   */
  async revoke(device: DeviceRef, { reason, wasHere = false, guard }: Revocation): Promise<boolean> {
    const { registry, now, onRevoked } = this.#options;
    const isKnown = wasHere || registry.data.devices.some((one) => isSameDevice(one, device));
    let isRefused = guard !== undefined && isKnown;
    const put = (data: RegistryData) => {
      guard?.();
      isRefused = false;
      putOut(data, device, { at: now(), reason });
    };
    try {
      if (isKnown) await registry.insist(put);
    } finally {
      // Also when it connected with a credential that is not its own.
      if (!isRefused) onRevoked(({ userId }, deviceId) => userId === device.userId && deviceId === device.deviceId);
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

/** Also recorded for a device without its own credential: later connections under its name are refused. */
function putOut(data: RegistryData, device: DeviceRef, revoked: NonNullable<DeviceEntry['revoked']>): void {
  const entry = data.devices.find((one) => isSameDevice(one, device));
  // A revocation is never refused for lack of space.
  if (!entry) removeOldestRevoked(data, device.userId);
  const { family: _family, push: _push, ...kept }: DeviceEntry = entry ?? device;
  data.devices = [...data.devices.filter((one) => one !== entry), { ...kept, revoked }];
}

const refOf = ({ userId, deviceId }: DeviceEntry): DeviceRef => ({
  userId: userId as UserId,
  deviceId: deviceId as DeviceId,
});

interface RefreshToken {
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

function makeRefreshToken({ mac, familyId, generation, requestId }: Successor): RefreshToken {
  const secret =
    requestId === undefined
      ? newSecret()
      : createHmac('sha256', mac).update(`retry\0${familyId}\0${generation}\0${requestId}`).digest('base64url');
  const claims = `${familyId}.${generation}.${secret}`;
  const token = `${claims}.${macOf(mac, claims)}`;
  return { token, generation, digest: digestOf(token) };
}

/** The content of a token; undefined for one not made with this key. */
function readRefreshToken(mac: Buffer, token: string): { familyId: string; generation: number } | undefined {
  const [, claims = '', familyId = '', generation = '', given = ''] =
    /^(([\w-]{1,64})\.(\d{1,15})\.[\w-]{43})\.([\w-]{43})$/.exec(token) ?? [];
  const right = Buffer.from(macOf(mac, claims));
  const said = Buffer.from(given);
  if (said.length !== right.length || !timingSafeEqual(said, right)) return undefined;
  return { familyId, generation: Number(generation) };
}

const macOf = (mac: Buffer, claims: string): string =>
  createHmac('sha256', mac).update(`refresh\0${claims}`).digest('base64url');

/** Per person; a higher number is a mistake. */
const MAX_DEVICES = 100;

/** Makes room for one more device of a person by removing revoked ones, the oldest first. Throws `CONFLICT`. */
export function makeRoom(data: RegistryData, userId: UserId): void {
  if (removeOldestRevoked(data, userId)) return;
  const suggestion = 'Revoke devices that are no longer used.';
  throw new CompanionError('CONFLICT', `A person has at most ${MAX_DEVICES} devices.`, { suggestion });
}

/** At the person's limit, removes the device that was revoked first. False when there is none. */
function removeOldestRevoked(data: RegistryData, userId: UserId): boolean {
  const theirs = data.devices.filter((entry) => entry.userId === userId);
  if (theirs.length < MAX_DEVICES) return true;
  const [oldest] = theirs.filter(isRemovable).sort((one, other) => revokedAt(one) - revokedAt(other));
  if (oldest) data.devices = data.devices.filter((entry) => entry !== oldest);
  return oldest !== undefined;
}

const isRemovable = ({ revoked, push }: DeviceEntry): boolean => revoked !== undefined && push === undefined;

const revokedAt = ({ revoked }: DeviceEntry): number => revoked?.at ?? 0;
