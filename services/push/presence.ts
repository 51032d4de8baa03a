import type { DeviceRef, UserId } from '../ports/records.js';
import type { Presence } from './push-policy.js';

/** One connection of a device. */
export interface Visit {
  say(presence: 'foreground' | 'background'): void;
  /** It has ended. */
  end(): void;
}

/** A device that has connected since this daemon began. Times are epoch milliseconds. */
export interface KnownDevice {
  device: DeviceRef;
  presence: Presence;
  leftAt: number | undefined;
  lastAckAt: number | undefined;
}

export interface DevicePresenceOptions {
  now: () => number;
  /** A device has connected, disconnected, or changed between foreground and background. */
  onChange: (userId: UserId) => void;
}

/** Time for devices to connect to a new daemon. */
const RETURN_MS = 2000;
/** Clients can choose a new device id each time: the devices that left longest ago are forgotten. */
const MAX_KNOWN = 100;

/** The presence of people's devices. */
export class DevicePresence {
  readonly #options: DevicePresenceOptions;
  readonly #known = new Map<string, KnownDevice>();
  readonly #visits = new Map<string, Visit>();
  #begunAt = Number.NEGATIVE_INFINITY;

  constructor(options: DevicePresenceOptions) {
    this.#options = options;
  }

  /** Devices can connect from here on. */
  begin(): void {
    this.#begunAt = this.#options.now();
  }

  /** From this moment a missing device counts as away; at most `RETURN_MS` ahead, even after the clock was put back. */
  get knownFrom(): number {
    return Math.min(this.#begunAt, this.#options.now()) + RETURN_MS;
  }

  /** A connecting device counts as in the foreground. A newer connection replaces an older one. */
  arrive(device: DeviceRef): Visit {
    const key = keyOf(device);
    const isLatest = () => this.#visits.get(key) === visit;
    const visit: Visit = {
      say: (presence) => {
        if (isLatest()) this.#put(device, presence);
      },
      end: () => {
        if (!isLatest()) return;
        this.#visits.delete(key);
        this.#put(device, 'away');
      },
    };
    this.#visits.set(key, visit);
    this.#put(device, 'foreground');
    return visit;
  }

  acknowledged(device: DeviceRef): void {
    const known = this.#of(device);
    this.#known.set(keyOf(device), { ...known, lastAckAt: this.#options.now() });
  }

  known(userId: UserId): KnownDevice[] {
    return [...this.#known.values()].filter(({ device }) => device.userId === userId);
  }

  /** People with a device in the foreground. */
  looking(): UserId[] {
    const present = [...this.#known.values()].filter(({ presence }) => presence === 'foreground');
    return [...new Set(present.map(({ device }) => device.userId))];
  }

  #of(device: DeviceRef): KnownDevice {
    const away = { device, presence: 'away', leftAt: undefined, lastAckAt: undefined } as const;
    return this.#known.get(keyOf(device)) ?? away;
  }

  #put(device: DeviceRef, presence: Presence): void {
    const before = this.#of(device);
    const key = keyOf(device);
    const left = before.presence === 'foreground' ? this.#options.now() : before.leftAt;
    this.#known.delete(key);
    this.#known.set(key, { ...before, presence, leftAt: presence === 'foreground' ? undefined : left });
    if (this.#known.size > MAX_KNOWN) this.#forgetOne();
    this.#options.onChange(device.userId);
  }

  #forgetOne(): void {
    for (const [key, { presence }] of this.#known) {
      if (presence !== 'away') continue;
      this.#known.delete(key);
      return;
    }
  }
}

const keyOf = ({ userId, deviceId }: DeviceRef) => `${userId}/${deviceId}`;
