/** Webhooks: addresses of other programs that are told what happens. Times are epoch milliseconds. */
import type { PUSH_KINDS } from '../../protocol/push-preferences.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { DisabledReason, WebhookDeliveryView, WebhookFailure } from '../../protocol/webhooks.js';
import type { UserId } from './records.js';

type WebhookEvent = (typeof PUSH_KINDS)[number];

export interface WebhookRecord {
  webhookId: string;
  userId: UserId;
  url: string;
  /** Undefined: all. */
  events?: readonly WebhookEvent[] | undefined;
  sessionIds?: readonly SessionId[] | undefined;
  /** The canonical path of a directory. */
  project?: string | undefined;
  description?: string | undefined;
  enabled: boolean;
  /** By the daemon. */
  disabled?: { reason: DisabledReason; at: number } | undefined;
  /** Since when every attempt has failed. */
  failingSince?: number | undefined;
  /** The number of its secret, which is derived from it; counts from 1. */
  generation: number;
  /** SHA-256 of the secret, in hexadecimal. */
  digest: string;
  rotatedAt?: number | undefined;
  createdAt: number;
  updatedAt: number;
  createdBy: string;
}

/** A message for one webhook. */
export interface WebhookDelivery {
  deliveryId: string;
  webhookId: string;
  userId: UserId;
  sessionId?: SessionId | undefined;
  type: WebhookEvent | 'test';
  /** JSON: the same bytes in each attempt. */
  body: string;
  state: WebhookDeliveryView['state'];
  reason?: WebhookDeliveryView['reason'] | undefined;
  /** All attempts, and those since it was last asked for. */
  attempts: number;
  tried: number;
  /** The first of those. */
  triedSince?: number | undefined;
  nextTry: number;
  last?: { at: number; durationMs: number; status?: number | undefined; failure?: WebhookFailure | undefined };
  createdAt: number;
  updatedAt: number;
}

/** Every method throws `STORAGE_FULL` when the disk is full. */
export interface WebhookStore {
  readAll(): WebhookRecord[];
  /** Those that are owed, oldest first. */
  readOwed(): WebhookDelivery[];
  /** Adds or updates, all or nothing. */
  write(changes: { webhooks?: readonly WebhookRecord[]; deliveries?: readonly WebhookDelivery[] }): void;
  /** With its deliveries. */
  remove(webhookId: string): void;
  forgetPerson(userId: UserId): void;
  /** Newest first, at most 500 that are not owed. */
  listDeliveries(webhookId: string): WebhookDelivery[];
  findDelivery(webhookId: string, deliveryId: string): WebhookDelivery | undefined;
  /** Removes deliveries that ended before this time, those of a webhook beyond 500, and those without a webhook. */
  prune(before: number): void;
}
