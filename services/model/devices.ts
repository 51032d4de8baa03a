import type { DeviceRef } from '../ports/records.js';

/** Key of a device in a map: two people can use the same device id. */
export const deviceKey = ({ userId, deviceId }: DeviceRef): string => `${userId}/${deviceId}`;

type DeviceNames = Readonly<Record<keyof DeviceRef, string>>;

export const isSameDevice = (one: DeviceNames, other: DeviceNames): boolean =>
  one.userId === other.userId && one.deviceId === other.deviceId;
