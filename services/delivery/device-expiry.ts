import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore, FollowingDevice } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { DeviceRef } from '../ports/records.js';
import { forgottenDevices, NAMELESS_TTL_MS } from './forgotten-devices.js';

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
      this.#options.log.warn('devices that are gone could not be forgotten', { error: String(error) });
    } finally {
      this.#looking = false;
    }
  }

  async #forgetDevices(): Promise<void> {
    const { cursors, isConnected, isRegistered, ttlMs, now, log } = this.#options;
    const devices = await cursors.readDevices();
    const facts = { now: now(), begunAt: this.#begunAt, ttlMs, isConnected, isRegistered };
    await this.#markSeen(devices, facts.now);
    for (const device of forgottenDevices(devices, facts)) {
      await turnOfOthers();
      if (isConnected(device)) continue;
      await cursors.forgetDevice(device);
      log.info('a device that is gone was forgotten', { deviceId: device.deviceId, nameless: device.isNameless });
    }
  }

  /**
   * A killed daemon does not record that its devices left. Records of older daemons, or of a clock that was ahead, are
   * no evidence.
   */
  async #markSeen(devices: readonly FollowingDevice[], now: number): Promise<void> {
    const { cursors, isConnected, ttlMs } = this.#options;
    for (const device of devices) {
      const { seenAt = Number.NaN } = device;
      const isStale = isConnected(device) && now - seenAt > ttlMs / LOOKS_PER_TTL;
      if (isStale || !(seenAt <= now)) await cursors.markSeen(device, now);
    }
  }

  async #forgetSessions(): Promise<void> {
    await this.#options.cursors.forgetLostSessions();
    for (const sessionId of this.#options.endedSessions()) {
      await turnOfOthers();
      await this.#options.cursors.forgetSession(sessionId);
    }
  }
}
