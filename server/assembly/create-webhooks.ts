import type { Audit } from '../../services/ports/audit.js';
import type { PushService } from '../../services/push/push-service.js';
import { Webhooks, type WebhooksOptions } from '../../services/push/webhooks/webhooks.js';
import type { Metrics } from '../../services/telemetry/metrics.js';

interface WebhooksParts extends Pick<WebhooksOptions, 'store' | 'sender' | 'mac' | 'now' | 'log'> {
  push: PushService;
  metrics: Metrics;
  audit: Audit;
}

/** Webhooks may reach what browsers' subscriptions may. */
export function createWebhooks({ push, metrics, audit, ...options }: WebhooksParts): Webhooks {
  return new Webhooks({
    ...options,
    reach: push.reach,
    onAttempted: ({ type }, outcome) => metrics.webhookAttempts.inc({ type, outcome }),
    onDisabled: ({ webhookId, userId, url, description }) => {
      audit.record({
        action: 'settings',
        outcome: 'ok',
        credential: 'daemon',
        targetUserId: userId,
        targetDeviceId: webhookId,
      });
      push.tellDisabled(userId, { webhookId, name: description ?? new URL(url).hostname });
    },
  });
}
