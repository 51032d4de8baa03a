import type { OwedRow, PushRecord } from '../ports/outbox.js';
import type { WebhookDelivery } from '../ports/webhooks.js';

export const isPush = (row: OwedRow): row is PushRecord => 'pushId' in row;
export const isDelivery = (row: OwedRow): row is WebhookDelivery => 'deliveryId' in row;
