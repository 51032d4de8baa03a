/** Secrets of webhooks, and signatures in the form of standardwebhooks.com. */
import { createHash, createHmac } from 'node:crypto';
import type { WebhookDelivery, WebhookRecord } from '../../ports/webhooks.js';

/** How long the secret before a rotation signs too. */
const BOTH_MS = 86_400_000;

type Keyed = Pick<WebhookRecord, 'webhookId' | 'generation'>;

/** A secret is derived from a key of the daemon (`mac`), so that it is on no disk. 32 bytes. */
const keyOf = (mac: Buffer, { webhookId, generation }: Keyed): Buffer =>
  createHmac('sha256', mac).update(`webhook ${webhookId} ${generation}`).digest();

/** As its person gets it. */
export const secretOf = (mac: Buffer, webhook: Keyed): string => `whsec_${keyOf(mac, webhook).toString('base64')}`;

export const digestOf = (mac: Buffer, webhook: Keyed): string =>
  createHash('sha256').update(secretOf(mac, webhook)).digest('hex');

/** When the secret before no longer signs; undefined when it does not. */
export function previousUntil({ rotatedAt }: WebhookRecord, now: number): number | undefined {
  const until = rotatedAt === undefined ? now : rotatedAt + BOTH_MS;
  return until > now ? until : undefined;
}

/** The headers of an attempt, which is signed with its own time. */
export function signedHeaders(
  { deliveryId, body }: Pick<WebhookDelivery, 'deliveryId' | 'body'>,
  { webhook, mac, now }: { webhook: WebhookRecord; mac: Buffer; now: number },
): Record<string, string> {
  const timestamp = Math.floor(now / 1000);
  const generations = [webhook.generation];
  if (previousUntil(webhook, now) !== undefined) generations.push(webhook.generation - 1);
  const signatures = generations.map((generation) => {
    const key = keyOf(mac, { webhookId: webhook.webhookId, generation });
    return `v1,${createHmac('sha256', key).update(`${deliveryId}.${timestamp}.${body}`).digest('base64')}`;
  });
  return {
    'webhook-id': deliveryId,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  };
}
