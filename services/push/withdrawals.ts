/** A request was resolved: what becomes of the pushes that told of it. */
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
  /** All that told of the request. */
  pushes: readonly RequestPush[];
  /** Whose answer it was: it knows already. Undefined for a request that expired or was cancelled. */
  byDeviceId: string | undefined;
  /** Of the person, without the one that was resolved. */
  openRequests: OpenRequests;
}

/** How many requests are open in each session of a person. */
export type OpenRequests = ReadonlyMap<SessionId, number>;

export interface Withdrawal {
  device: DeviceRef;
  badge: number;
}

/** Things that wait for the person. */
export const badgeOf = (open: OpenRequests): number => [...open.values()].reduce((sum, count) => sum + count, 0);

/** Which devices are to take their notification away: those that have it, or may be getting it at this moment. One for each. */
export function withdrawalsOf({ pushes, byDeviceId, openRequests }: Resolution): Withdrawal[] {
  const badge = badgeOf(openRequests);
  const told = new Map<string, DeviceRef>();
  for (const { device, state } of pushes) {
    const mayHaveIt = state === 'sending' || state === 'accepted';
    if (mayHaveIt && device.deviceId !== byDeviceId) told.set(`${device.userId}/${device.deviceId}`, device);
  }
  return [...told.values()].map((device) => ({ device, badge }));
}
