/** Webhooks: what other programs are told. */
import { pageSchema } from '../pages.js';
import { changeWebhookSchema, createWebhookSchema } from '../webhooks.js';
import { changes, type RestRule, reads } from './rules.js';

export const WEBHOOKS_COMMANDS = {
  listWebhooks: { at: 'GET /api/webhooks', ...reads('read'), query: pageSchema },
  createWebhook: {
    at: 'POST /api/webhooks',
    secret: true,
    ...changes('prompt', 'settings'),
    body: createWebhookSchema,
  },
  showWebhook: { at: 'GET /api/webhooks/:id', ...reads('read') },
  changeWebhook: {
    at: 'PATCH /api/webhooks/:id',
    versioned: true,
    ...changes('prompt', 'settings'),
    body: changeWebhookSchema,
  },
  deleteWebhook: { at: 'DELETE /api/webhooks/:id', versioned: true, ...changes('prompt', 'settings') },
  rotateWebhook: {
    at: 'POST /api/webhooks/:id/rotate',
    versioned: true,
    secret: true,
    ...changes('prompt', 'settings'),
  },
  testWebhook: { at: 'POST /api/webhooks/:id/test', ...changes('prompt', 'settings') },
  listWebhookDeliveries: { at: 'GET /api/webhooks/:id/deliveries', ...reads('read'), query: pageSchema },
  replayWebhookDelivery: {
    at: 'POST /api/webhooks/:id/deliveries/:deliveryId/replay',
    again: 'same',
    ...changes('prompt', 'settings'),
  },
} as const satisfies Record<string, RestRule>;
