/** The outbox: pushes owed to devices, and their state. Times are epoch milliseconds. */
import type { SessionId } from '../../protocol/scalars.js';
import type { PushKind } from './push.js';
import type { DeviceRef, UserId } from './records.js';

/**
 * `accepted`: by the push service. `seen`: the device has acknowledged or answered the event. `suppressed`: not needed.
 * `expired`: no longer relevant. `failed`: undeliverable.
 */
export type PushState = 'owed' | 'sending' | 'accepted' | 'seen' | 'suppressed' | 'expired' | 'failed';

export interface PushTransition {
  state: PushState;
  at: number;
  reason?: string;
}

/** A push to one device. */
export interface PushRecord {
  pushId: string;
  device: DeviceRef;
  /** Undefined when it belongs to no session. */
  sessionId: SessionId | undefined;
  /** seq of its event, within the epoch. */
  seq: number | undefined;
  epoch: string;
  /** The request that waits for an answer. */
  permissionId: string | undefined;
  kind: PushKind;
  collapseId: string;
  state: PushState;
  reason: string | undefined;
  /** JSON: the data for the message. */
  about: string;
  /** SHA-256, in hexadecimal, of the tokens that answer the request, by decision. */
  actions: Readonly<Record<string, readonly string[]>> | undefined;
  /** The last states, oldest first. */
  history: readonly PushTransition[];
  /** How often it was passed to a sender. */
  attempts: number;
  dueAt: number;
  nextTry: number;
  expiresAt: number;
  createdAt: number;
  updatedAt: number;
}

export interface PushPage {
  pushes: PushRecord[];
  /** The total number. */
  total: number;
}

/** Every method rejects with `CompanionError` `STORAGE_FULL` when the disk is full. */
export interface OutboxStore {
  /**
   * Pushes owed, being sent, or accepted and not seen, and given-up pushes about a request that could have arrived;
   * oldest first.
   */
  readOpen(): Promise<PushRecord[]>;
  /** Adds rows and updates changed ones, all or nothing. A removed row stays removed, unless it is added again. */
  write(changes: { added?: readonly PushRecord[]; changed?: readonly PushRecord[] }): Promise<void>;
  /** All pushes about one request. */
  readRequest(sessionId: SessionId, permissionId: string): Promise<PushRecord[]>;
  /** Newest first. */
  readPage(userId: UserId, range: { limit: number; offset: number }): Promise<PushPage>;
  /** Removes a batch of pushes that ended before this time. Resolves to whether more can remain. */
  prune(before: number): Promise<boolean>;
}
