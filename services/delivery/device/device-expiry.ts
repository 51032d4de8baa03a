import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionId } from '../../../protocol/scalars.js';
import type { CursorStore, FollowingDevice } from '../../ports/cursors.js';
import type { Log } from '../../ports/log.js';
import type { DeviceRef, UserId } from '../../ports/records.js';

export interface DeviceExpiryOptions {
  cursors: CursorStore;
  /** How long a device can be away, in milliseconds. */
  ttlMs: number;
  /** Epoch milliseconds; never wrongly ahead. */
  now: () => number;
  isConnected: (device: DeviceRef) => boolean;
  /** The device has a credential, or wants pushes. */
  isRegistered: (device: DeviceRef) => boolean;
  /** Ended sessions, in which nothing recent is left to deliver. */
  endedSessions: () => SessionId[];
  log: Log;
}

const LOOKS_PER_TTL = 10;

/** Forgets devices that do not return, and positions in ended sessions. */
export class DeviceExpiry {
  readonly #options: DeviceExpiryOptions;
  readonly #begunAt: number;
  readonly #timer: NodeJS.Timeout;
  #next: NodeJS.Immediate | undefined;
  #looking = false;
  #closed = false;

  constructor(options: DeviceExpiryOptions) {
    this.#options = options;
    this.#begunAt = options.now();
    const periodMs = Math.ceil(Math.min(options.ttlMs, NAMELESS_TTL_MS) / LOOKS_PER_TTL);
    this.#timer = setInterval(() => void this.#look(), periodMs).unref();
  }

  /** Schedules a check, since there can now be too many devices. */
  soon(): void {
    if (this.#closed) return;
    this.#next ??= setImmediate(() => {
      this.#next = undefined;
      void this.#look();
    });
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearImmediate(this.#next);
  }

  /** A failure, such as a full disk, is retried at the next check. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.#forgetDevices();
      await this.#forgetSessions();
    } catch (error) {
      this.#options.log.warn('expired devices cannot be removed', { error: String(error) });
    } finally {
      this.#looking = false;
    }
  }

  async #forgetDevices(): Promise<void> {
    const { cursors, isConnected, isRegistered, ttlMs, now, log } = this.#options;
    const devices = cursors.readDevices();
    const facts = { now: now(), begunAt: this.#begunAt, ttlMs, isConnected, isRegistered };
    this.#markSeen(devices, facts.now);
    for (const device of forgottenDevices(devices, facts)) {
      await turnOfOthers();
      if (isConnected(device)) continue;
      cursors.forgetDevice(device);
      log.info('an expired device was removed', { deviceId: device.deviceId, nameless: device.isNameless });
    }
  }

  /**
   * A killed daemon does not record that its devices left. Records of older daemons, or of a clock that was ahead, are
   * no evidence.
   */
  #markSeen(devices: readonly FollowingDevice[], now: number): void {
    const { cursors, isConnected, ttlMs } = this.#options;
    for (const device of devices) {
      const { seenAt = Number.NaN } = device;
      const isStale = isConnected(device) && now - seenAt > ttlMs / LOOKS_PER_TTL;
      if (isStale || !(seenAt <= now)) cursors.markSeen(device, now);
    }
  }

  async #forgetSessions(): Promise<void> {
    for (const sessionId of this.#options.endedSessions()) {
      await turnOfOthers();
      this.#options.cursors.forgetSession(sessionId);
    }
  }
}

export interface DeviceFacts {
  /** Epoch milliseconds. */
  now: number;
  /** The time from which devices could reconnect to this daemon. */
  begunAt: number;
  /** How long a device can be away, in milliseconds. */
  ttlMs: number;
  isConnected: (device: FollowingDevice) => boolean;
  /** The device has a credential, or wants pushes. */
  isRegistered: (device: FollowingDevice) => boolean;
}

const MINUTE_MS = 60_000;
/** How long a device without a name of its own can be away. */
const NAMELESS_TTL_MS = 10 * MINUTE_MS;
/** After the daemon was down, devices have this long to return. */
const RETURN_MS = 60 * MINUTE_MS;
/** Per person; each device has a cursor in every session that it follows. */
const MAX_DEVICES = 100;
/** Per person: devices without a name that can be away. */
const MAX_NAMELESS = 10;

/**
 * The devices to forget, with their subscriptions and cursors: those away for too long, and the least important ones of
 * a person with too many. A connected device stays.
 */
export function forgottenDevices(devices: readonly FollowingDevice[], facts: DeviceFacts): FollowingDevice[] {
  const away = devices.filter((device) => !facts.isConnected(device));
  const expired = away.filter((device) => hasExpired(device, facts));
  const kept = new Set(away.filter((device) => !expired.includes(device)));
  for (const userId of new Set(devices.map((device) => device.userId))) {
    for (const device of surplus(userId, { devices, kept: [...kept], facts })) kept.delete(device);
  }
  return away.filter((device) => !kept.has(device));
}

/** A device whose last connection time is unknown counts as just seen. */
function hasExpired({ isNameless, seenAt }: FollowingDevice, { now, begunAt, ttlMs }: DeviceFacts): boolean {
  if (seenAt === undefined) return false;
  if (isNameless) return now - Math.max(seenAt, begunAt) > Math.min(NAMELESS_TTL_MS, ttlMs);
  return now - seenAt > ttlMs && now - begunAt >= Math.min(RETURN_MS, ttlMs);
}

interface Kept {
  devices: readonly FollowingDevice[];
  /** The devices that are away and have not expired. */
  kept: readonly FollowingDevice[];
  facts: DeviceFacts;
}

function surplus(userId: UserId, { devices, kept, facts }: Kept): FollowingDevice[] {
  const theirs = kept.filter((device) => device.userId === userId);
  const rankOf = (device: FollowingDevice) => (device.isNameless ? 0 : facts.isRegistered(device) ? 2 : 1);
  const since = ({ seenAt }: FollowingDevice) => seenAt ?? facts.now;
  const leastFirst = theirs.toSorted((a, b) => rankOf(a) - rankOf(b) || since(a) - since(b));
  const connected = devices.filter((device) => device.userId === userId && facts.isConnected(device)).length;
  const nameless = leastFirst.filter(({ isNameless }) => isNameless).length;
  const tooMany = Math.max(nameless - MAX_NAMELESS, connected + theirs.length - MAX_DEVICES, 0);
  return leastFirst.slice(0, tooMany);
}
