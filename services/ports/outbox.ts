/** The outbox: pushes owed to devices, and their state. Times are epoch milliseconds. */
import type { PushDelivery } from '../../protocol/push.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { PushKind } from './push.js';
import type { DeviceRef, SessionChange, UserId } from './records.js';
import type { WebhookDelivery } from './webhooks.js';

/**
 * `accepted`: by the push service. `seen`: the device has acknowledged or answered the event. `suppressed`: not needed.
 * `expired`: no longer relevant. `failed`: undeliverable.
 */
export type PushState = PushDelivery['state'];

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

/** What somebody outside is owed for an event: a device, or another program. */
export type OwedRow = PushRecord | WebhookDelivery;

/** What the recording of a session asks of pushes. Does not throw: a failure blocks no session. */
export interface SessionPushes {
  /** What is owed for a change. Called right before the write of both. */
  owed(change: SessionChange): readonly OwedRow[];
  /** The change and all that is owed for it are in the journal. */
  committed(change: SessionChange, owed: readonly OwedRow[]): void;
  /** The session and its rows were removed. */
  forgotten(sessionId: SessionId): void;
}

export interface PushPage {
  pushes: PushRecord[];
  /** The total number. */
  total: number;
}

/** Every method throws `CompanionError` `STORAGE_FULL` when the disk is full. */
export interface OutboxStore {
  /**
   * Pushes owed, being sent, or accepted and not seen, and given-up pushes about a request that could have arrived;
   * oldest first.
   */
  readOpen(): PushRecord[];
  /** Adds rows and updates changed ones, all or nothing. A removed row stays removed, unless it is added again. */
  write(changes: { added?: readonly PushRecord[]; changed?: readonly PushRecord[] }): void;
  /** All pushes about one request. */
  readRequest(sessionId: SessionId, permissionId: string): PushRecord[];
  /** Newest first. */
  readPage(userId: UserId, range: { limit: number; offset: number }): PushPage;
  /** Removes a batch of pushes that ended before this time. Returns whether more can remain. */
  prune(before: number): boolean;
}
