import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { DeviceId } from '../../protocol/scalars.js';
import type { PushRegistration } from '../ports/push.js';
import type { PushDevice, PushDevices } from '../ports/push-people.js';
import type { DeviceRef, UserId } from '../ports/records.js';
import type { DeviceEntry, RegistryFile } from './registry-file.js';

/** Who is there: a person, proven by a credential. */
export interface Principal {
  userId: UserId;
  /** By what: the local socket, `AUTH_TOKEN`, or the token in the registry. */
  credential: 'local' | 'setting' | 'token';
}

export interface IdentityOptions {
  registry: RegistryFile;
  /** `AUTH_TOKEN`: an owner's credential beside the one in the registry. */
  authToken?: string;
  /** Wall clock in epoch milliseconds. */
  now: () => number;
}

const TOKEN_BYTES = 32;

/** People, their devices and their credentials. */
export class Identity implements PushDevices {
  readonly #registry: RegistryFile;
  readonly #authToken: Buffer | undefined;
  readonly #now: () => number;

  constructor({ registry, authToken, now }: IdentityOptions) {
    this.#now = now;
    this.#registry = registry;
    this.#authToken = authToken === undefined ? undefined : digest(authToken);
  }

  /** The owner, for who has opened the local socket. */
  get owner(): Principal {
    const owner = this.#registry.data.users.find(({ role }) => role === 'owner');
    if (!owner) throw new Error('the registry has no owner');
    return { userId: owner.userId as UserId, credential: 'local' };
  }

  /** Whether there is a credential with which somebody could connect. */
  get hasCredential(): boolean {
    return (
      this.#authToken !== undefined || this.#registry.data.users.some(({ tokenDigest }) => tokenDigest !== undefined)
    );
  }

  /** Makes a new owner's token; one made before is void. Only its digest is kept: it is shown now or never. */
  async makeToken(): Promise<string> {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    await this.#registry.update(({ users }) => {
      for (const user of users) if (user.role === 'owner') user.tokenDigest = digest(token).toString('hex');
    });
    return token;
  }

  /** Whose credential this is. Compares digests, in constant time. */
  authenticate(token: string): Principal | undefined {
    const given = digest(token);
    if (this.#authToken && timingSafeEqual(given, this.#authToken)) return { ...this.owner, credential: 'setting' };
    for (const { userId, tokenDigest } of this.#registry.data.users) {
      if (tokenDigest === undefined) continue;
      const known = Buffer.from(tokenDigest, 'hex');
      if (known.length === given.length && timingSafeEqual(given, known))
        return { userId: userId as UserId, credential: 'token' };
    }
    return undefined;
  }

  /** Whether the device was registered. */
  knows({ userId, deviceId }: DeviceRef): boolean {
    return this.#registry.data.devices.some((device) => device.userId === userId && device.deviceId === deviceId);
  }

  /** Records where and how a device wants to be reached. A token that another device had is this one's from now on. */
  async registerDevice(device: DeviceRef, registration: ClientData<'registerDevice'>): Promise<void> {
    const { name, preferences, ...push } = registration;
    const { userId, deviceId } = device;
    await this.#registry.update((data) => {
      const known = data.devices.find((entry) => isEntryOf(entry, device));
      const others = data.devices.filter((entry) => entry !== known);
      for (const other of others) {
        if (other.push?.platform === push.platform && other.push.token === push.token) delete other.push;
      }
      const entry: DeviceEntry = {
        ...known,
        userId,
        deviceId,
        push: { ...withoutUndefined(push), registeredAt: this.#now() },
        ...(name !== undefined && { name }),
        ...(preferences && { preferences }),
      };
      data.devices = [...others, entry];
    });
  }

  /** Changes a device that is known. Rejects with `NOT_FOUND`. */
  async amendDevice(device: DeviceRef, change: (entry: DeviceEntry) => void): Promise<void> {
    this.requireDevice(device);
    await this.#registry.update((data) => {
      const entry = data.devices.find((one) => isEntryOf(one, device));
      if (entry) change(entry);
    });
  }

  /** The device as it is registered. Throws `NOT_FOUND`. */
  requireDevice(device: DeviceRef): Readonly<DeviceEntry> {
    const entry = this.#registry.data.devices.find((one) => isEntryOf(one, device));
    if (entry) return entry;
    throw new CompanionError('NOT_FOUND', 'There is no such device.', { field: 'id' });
  }

  pushDevices(userId: UserId): PushDevice[] {
    return this.#registry.data.devices
      .filter((entry) => entry.userId === userId)
      .map((entry) => {
        const device = { userId, deviceId: entry.deviceId as DeviceId };
        return { device, registration: registrationOf(entry, device), preferences: entry.preferences };
      });
  }

  hasRegistration(platform: PushRegistration['platform']): boolean {
    return this.#registry.data.devices.some(({ push }) => push?.platform === platform);
  }

  async endRegistration({ device, token, registeredAt }: PushRegistration): Promise<boolean> {
    let ended = false;
    await this.#registry.update((data) => {
      const entry = data.devices.find((one) => isEntryOf(one, device));
      if (entry?.push?.token !== token || (entry.push.registeredAt ?? 0) !== registeredAt) return;
      delete entry.push;
      ended = true;
    });
    return ended;
  }

  async correctEnvironment(
    { device, token }: PushRegistration,
    environment: PushRegistration['environment'],
  ): Promise<void> {
    await this.#registry.update((data) => {
      const entry = data.devices.find((one) => isEntryOf(one, device));
      if (entry?.push?.token === token) entry.push.environment = environment;
    });
  }
}

const isEntryOf = (entry: Pick<DeviceEntry, 'userId' | 'deviceId'>, { userId, deviceId }: DeviceRef): boolean =>
  entry.userId === userId && entry.deviceId === deviceId;

function registrationOf({ push }: DeviceEntry, device: DeviceRef): PushRegistration | undefined {
  if (!push) return undefined;
  const { token, platform, environment = 'production', bundleId, encryptionKey, registeredAt = 0 } = push;
  return {
    device,
    platform,
    token,
    environment,
    registeredAt,
    ...(bundleId !== undefined && { bundleId }),
    ...(encryptionKey !== undefined && { encryptionKey }),
  };
}

const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

const withoutUndefined = (
  push: Omit<ClientData<'registerDevice'>, 'name' | 'preferences'>,
): NonNullable<DeviceEntry['push']> => ({
  token: push.token,
  platform: push.platform,
  ...(push.environment !== undefined && { environment: push.environment }),
  ...(push.bundleId !== undefined && { bundleId: push.bundleId }),
  ...(push.encryptionKey !== undefined && { encryptionKey: push.encryptionKey }),
});
