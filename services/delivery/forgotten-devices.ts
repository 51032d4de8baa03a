import type { FollowingDevice } from '../ports/journal.js';
import type { UserId } from '../ports/records.js';

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
export const NAMELESS_TTL_MS = 10 * MINUTE_MS;
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
