import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { plainLine } from '../../protocol/plain-text.js';
import type { DeviceId } from '../../protocol/scalars.js';
import { isSameDevice } from '../model/devices.js';
import type { PushRegistration } from '../ports/push.js';
import type { PushDevice, PushDevices } from '../ports/push-people.js';
import type { DeviceRef, UserId } from '../ports/records.js';
import { makeRoom } from './device-credentials.js';
import { normalToken, takeOver } from './push-tokens.js';
import type { DeviceEntry, RegistryFile } from './registry-file.js';

/** The same as in `nameSchema`. */
const MAX_NAME = 100;

export interface DevicesOptions {
  registry: RegistryFile;
  now: () => number;
}

/** People's devices: their names, push addresses and push preferences. */
export class Devices implements PushDevices {
  readonly #registry: RegistryFile;
  readonly #now: () => number;

  constructor({ registry, now }: DevicesOptions) {
    this.#registry = registry;
    this.#now = now;
  }

  /** Whether the device was revoked and not paired again since. */
  isRevoked(device: DeviceRef): boolean {
    return this.#registry.data.devices.some((entry) => isSameDevice(entry, device) && entry.revoked !== undefined);
  }

  /** Whether the device has a credential of its own. */
  isPaired(device: DeviceRef): boolean {
    return this.#registry.data.devices.some((entry) => isSameDevice(entry, device) && entry.family !== undefined);
  }

  /** Whether the device was registered. */
  knows(device: DeviceRef): boolean {
    return this.#registry.data.devices.some((entry) => isSameDevice(entry, device));
  }

  /**
   * Records a device's push address and preferences. Takes over an address that another device of the person had, and
   * an Apple token even from another person. Rejects with `CONFLICT` for a revoked device.
   */
  async register(device: DeviceRef, registration: ClientData<'registerDevice'>): Promise<void> {
    const { name, preferences, ...rest } = registration;
    const push = { ...withoutUndefined(rest), token: normalToken(rest), registeredAt: this.#now() };
    const { userId, deviceId } = device;
    await this.#registry.update((data) => {
      const known = data.devices.find((entry) => isSameDevice(entry, device));
      if (known?.revoked) {
        throw new CompanionError('CONFLICT', 'The device was revoked. Pair it again first.', { field: 'deviceId' });
      }
      if (!known) makeRoom(data, userId);
      const others = data.devices.filter((entry) => entry !== known);
      takeOver({ userId, push }, others);
      const entry: DeviceEntry = {
        ...known,
        userId,
        deviceId,
        push,
        ...(name !== undefined && { name: shownName(name) }),
        ...(preferences && { preferences }),
      };
      data.devices = [...others, entry];
    });
  }

  /** Changes a known device. Rejects with `NOT_FOUND`. */
  async amend(device: DeviceRef, change: (entry: DeviceEntry) => void): Promise<void> {
    this.require(device);
    await this.#registry.update((data) => {
      const entry = data.devices.find((one) => isSameDevice(one, device));
      if (entry) change(entry);
    });
  }

  /** The registered device. Throws `NOT_FOUND`. */
  require(device: DeviceRef): Readonly<DeviceEntry> {
    const entry = this.#registry.data.devices.find((one) => isSameDevice(one, device));
    if (entry) return entry;
    throw new CompanionError('NOT_FOUND', 'There is no such device.', { field: 'id' });
  }

  /** The devices of one person, or of all. */
  list(userId?: UserId): readonly Readonly<DeviceEntry>[] {
    const { devices } = this.#registry.data;
    return userId === undefined ? devices : devices.filter((entry) => entry.userId === userId);
  }

  pushDevices(userId: UserId): PushDevice[] {
    return this.#registry.data.devices
      .filter((entry) => entry.userId === userId)
      .map((entry) => {
        const device = { userId, deviceId: entry.deviceId as DeviceId };
        return {
          device,
          registration: entry.revoked ? undefined : registrationOf(entry, device),
          mayApprove: !entry.revoked && (entry.family?.scopes.includes('approve') ?? true),
          preferences: entry.preferences,
        };
      });
  }

  tokensOf(platform: PushRegistration['platform']): readonly string[] {
    return this.#registry.data.devices.flatMap(({ push }) => (push?.platform === platform ? [push.token] : []));
  }

  async endRegistration({ device, token, registeredAt }: PushRegistration): Promise<boolean> {
    let ended = false;
    await this.#registry.update((data) => {
      const entry = data.devices.find((one) => isSameDevice(one, device));
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
      const entry = data.devices.find((one) => isSameDevice(one, device));
      if (entry?.push?.token === token) entry.push.environment = environment;
    });
  }
}

/** The displayable part of a name, on one line: the registry stores it permanently. */
const shownName = (name: string): string => plainLine(name, MAX_NAME);

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

const withoutUndefined = (
  push: Omit<ClientData<'registerDevice'>, 'name' | 'preferences'>,
): NonNullable<DeviceEntry['push']> => ({
  token: push.token,
  platform: push.platform,
  ...(push.environment !== undefined && { environment: push.environment }),
  ...(push.bundleId !== undefined && { bundleId: push.bundleId }),
  ...(push.encryptionKey !== undefined && { encryptionKey: push.encryptionKey }),
});
