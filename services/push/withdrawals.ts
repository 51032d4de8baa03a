/** The effect of a resolved request on its pushes. */
import type { SessionId } from '../../protocol/scalars.js';
import type { DeviceRef } from '../ports/records.js';

/** As in the outbox. */
export type PushState = 'owed' | 'sending' | 'accepted' | 'seen' | 'suppressed' | 'expired' | 'failed';

/** A push about a request. */
export interface RequestPush {
  device: DeviceRef;
  state: PushState;
}

export interface Resolution {
  /** All pushes about the request. */
  pushes: readonly RequestPush[];
  /** The device that answered: it already knows. Undefined for a request that expired or was cancelled. */
  byDeviceId: string | undefined;
  /** The person's open requests, without the resolved one. */
  openRequests: OpenRequests;
}

/** How many requests are open in each session of a person. */
export type OpenRequests = ReadonlyMap<SessionId, number>;

export interface Withdrawal {
  device: DeviceRef;
  badge: number;
}

/** The number of items that wait for the person. */
export const badgeOf = (open: OpenRequests): number => [...open.values()].reduce((sum, count) => sum + count, 0);

/** Which devices must remove their notification: those that have it, or may be receiving it now. One push for each. */
export function withdrawalsOf({ pushes, byDeviceId, openRequests }: Resolution): Withdrawal[] {
  const badge = badgeOf(openRequests);
  const told = new Map<string, DeviceRef>();
  for (const { device, state } of pushes) {
    const mayHaveIt = state === 'sending' || state === 'accepted';
    if (mayHaveIt && device.deviceId !== byDeviceId) told.set(`${device.userId}/${device.deviceId}`, device);
  }
  return [...told.values()].map((device) => ({ device, badge }));
}
