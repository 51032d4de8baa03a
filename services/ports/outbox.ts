/** The outbox: what devices are owed, and what became of it. Times are epoch milliseconds. */
import type { SessionId } from '../../protocol/scalars.js';
import type { PushKind } from './push.js';
import type { DeviceRef, UserId } from './records.js';

/**
 * `accepted`: by the service that brings it. `seen`: the device has acknowledged the event, or answered it.
 * `suppressed`: it is not needed. `expired`: nobody wants to hear of it any more. `failed`: it cannot be brought.
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
  /** Undefined for what belongs to no session. */
  sessionId: SessionId | undefined;
  /** Of its event, within the epoch. */
  seq: number | undefined;
  epoch: string;
  /** The request that waits for an answer. */
  permissionId: string | undefined;
  kind: PushKind;
  collapseId: string;
  state: PushState;
  reason: string | undefined;
  /** JSON: what the message is made of. */
  about: string;
  /** SHA-256, in hexadecimal, of the tokens that answer the request, by decision. */
  actions: Readonly<Record<string, readonly string[]>> | undefined;
  /** The last states, oldest first. */
  history: readonly PushTransition[];
  /** How often it was given to a sender. */
  attempts: number;
  dueAt: number;
  nextTry: number;
  expiresAt: number;
  createdAt: number;
  updatedAt: number;
}

export interface PushPage {
  pushes: PushRecord[];
  /** How many there are in all. */
  total: number;
}

/** Every method rejects with `CompanionError` `STORAGE_FULL` when the disk takes no more. */
export interface OutboxStore {
  /** What is owed, being sent, or accepted and not seen, and what was given up about a request and may have arrived; oldest first. */
  readOpen(): Promise<PushRecord[]>;
  /** Adds rows and takes over what has changed of others, all or nothing. A row that was removed stays removed, unless it is new. */
  write(changes: { added?: readonly PushRecord[]; changed?: readonly PushRecord[] }): Promise<void>;
  /** All about one request. */
  readRequest(sessionId: SessionId, permissionId: string): Promise<PushRecord[]>;
  /** Newest first. */
  readPage(userId: UserId, range: { limit: number; offset: number }): Promise<PushPage>;
  /** Removes a batch of what was done before this moment. Resolves to whether there may be more. */
  prune(before: number): Promise<boolean>;
}
