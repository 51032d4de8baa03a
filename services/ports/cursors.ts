import type { SessionId } from '../../protocol/scalars.js';
import type { DeviceRef } from './records.js';

export interface StoredCursor {
  seq: number;
  epoch: string;
}

export interface StoredSubscription {
  events: string[];
  /** All its person's sessions, present and future. */
  all: boolean;
  acknowledges: boolean;
  /** When the device was last connected, in epoch milliseconds; missing in older records. */
  seenAt?: number;
  /** The daemon generated its id, and it has not returned under that id. */
  isNameless?: boolean;
}

/** A device with a subscription, or whose subscription was lost and not its cursors. */
export interface FollowingDevice extends DeviceRef {
  seenAt: number | undefined;
  isNameless: boolean;
}

/** The position of each device in each session, and its subscription. Every method throws as `Journal` does. */
export interface CursorStore {
  readSubscription(device: DeviceRef): StoredSubscription | undefined;
  /** `begun`: cursors that are written with it, or not at all. */
  writeSubscription(
    device: DeviceRef,
    subscription: StoredSubscription,
    begun?: ReadonlyMap<SessionId, StoredCursor>,
  ): void;
  readCursors(device: DeviceRef): Map<SessionId, StoredCursor>;
  /** Creates cursors in stored sessions and moves existing ones forward; never back within an epoch. */
  writeCursors(device: DeviceRef, cursors: ReadonlyMap<SessionId, StoredCursor>): void;
  removeCursors(device: DeviceRef, sessionIds: readonly SessionId[]): void;
  readDevices(): FollowingDevice[];
  /** A device that is known is connected, or was until this time, in epoch milliseconds. */
  markSeen(device: DeviceRef, at: number): void;
  /** Removes its subscription and all its cursors. */
  forgetDevice(device: DeviceRef): void;
  /** Removes the cursors of all devices in this session. */
  forgetSession(sessionId: SessionId): void;
}
