import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ClientData } from '../../protocol/client-frames.js';
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
}

const TOKEN_BYTES = 32;

/** People, their devices and their credentials. */
export class Identity {
  readonly #registry: RegistryFile;
  readonly #authToken: Buffer | undefined;

  constructor({ registry, authToken }: IdentityOptions) {
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

  /** Records where and how a device wants to be reached. */
  async registerDevice(device: DeviceRef, registration: ClientData<'registerDevice'>): Promise<void> {
    const { name, preferences, ...push } = registration;
    const entry: DeviceEntry = {
      deviceId: device.deviceId,
      userId: device.userId,
      push: withoutUndefined(push),
      ...(name !== undefined && { name }),
      ...(preferences && { preferences }),
    };
    await this.#registry.update((data) => {
      const others = data.devices.filter(
        ({ deviceId, userId }) => deviceId !== device.deviceId || userId !== device.userId,
      );
      data.devices = [...others, entry];
    });
  }
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
