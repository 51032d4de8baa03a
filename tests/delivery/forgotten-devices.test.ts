import { describe, expect, test } from '@jest/globals';
import type { DeviceId } from '../../protocol/scalars.js';
import { forgottenDevices } from '../../services/delivery/device/device-expiry.js';
import type { FollowingDevice } from '../../services/ports/cursors.js';
import type { UserId } from '../../services/ports/records.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NOW = 1000 * DAY;

const device = (
  deviceId: string,
  awayMs: number | undefined,
  more: Partial<FollowingDevice> = {},
): FollowingDevice => ({
  userId: 'ann' as UserId,
  deviceId: deviceId as DeviceId,
  seenAt: awayMs === undefined ? undefined : NOW - awayMs,
  isNameless: false,
  ...more,
});

const nameless = (deviceId: string, awayMs: number) => device(deviceId, awayMs, { isNameless: true });

interface Around {
  connected?: string[];
  registered?: string[];
  upMs?: number;
}

const forgotten = (devices: FollowingDevice[], { connected = [], registered = [], upMs = 10 * DAY }: Around = {}) =>
  forgottenDevices(devices, {
    now: NOW,
    begunAt: NOW - upMs,
    ttlMs: 90 * DAY,
    isConnected: ({ deviceId }) => connected.includes(deviceId),
    isRegistered: ({ deviceId }) => registered.includes(deviceId),
  }).map(({ deviceId }) => deviceId);

const many = (count: number, make: (index: number) => FollowingDevice) =>
  Array.from({ length: count }, (_, index) => make(index));

describe('devices that are away', () => {
  test('a device is forgotten after its time, and not before', () => {
    expect(forgotten([device('old', 90 * DAY + 1), device('new', 90 * DAY)])).toEqual(['old']);
  });

  test('one that is connected stays, however long ago it was written down', () => {
    expect(forgotten([device('here', 1000 * DAY), nameless('there', DAY)], { connected: ['here', 'there'] })).toEqual(
      [],
    );
  });

  test('one without a name is forgotten after ten minutes', () => {
    expect(forgotten([nameless('old', 10 * MINUTE + 1), nameless('new', 10 * MINUTE)])).toEqual(['old']);
  });

  test('the time without a daemon does not count: all have their full time to return', () => {
    const devices = [nameless('tab', DAY), device('phone', 100 * DAY)];
    expect(forgotten(devices, { upMs: 10 * MINUTE })).toEqual([]);
    expect(forgotten(devices, { upMs: 10 * MINUTE + 1 })).toEqual(['tab']);
    expect(forgotten(devices, { upMs: 60 * MINUTE })).toEqual(['tab', 'phone']);
  });

  test('of an older record, or by a clock that was ahead, nothing is forgotten', () => {
    expect(forgotten([device('unknown', undefined), device('ahead', -DAY)])).toEqual([]);
  });

  test('of devices without a name a person has ten at most', () => {
    const devices = many(13, (index) => nameless(`n${index}`, index * 1000));
    expect(forgotten(devices)).toEqual(['n10', 'n11', 'n12']);
  });

  test('of all devices a person has a hundred at most: without a name first, registered last, the oldest first', () => {
    const named = many(100, (index) => device(`d${index}`, (index + 1) * MINUTE));
    const others = [device('phone', 80 * DAY), nameless('tab', 1)];
    expect(forgotten([...named, ...others], { registered: ['phone'] }).sort()).toEqual(['d99', 'tab']);
    expect(forgotten([...named, ...others], { registered: ['phone'], connected: ['d98'] }).sort()).toEqual([
      'd99',
      'tab',
    ]);
  });

  test('another person has a hundred of their own', () => {
    const devices = ['ann', 'bob'].flatMap((userId) =>
      many(100, (index) => device(`d${index}`, index, { userId: userId as UserId })),
    );
    expect(forgotten(devices)).toEqual([]);
  });
});
