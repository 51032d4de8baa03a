/** Pushes. */
import { changePreferencesSchema, listDeliveriesSchema, registerPushSchema, testPushSchema } from '../push.js';
import { changes, type RestRule, reads } from './rules.js';

export const PUSH_COMMANDS = {
  registerPush: {
    at: 'POST /api/push-notifications/register',
    again: 'same',
    ...changes('read', 'settings'),
    body: registerPushSchema,
  },
  changePushPreferences: {
    at: 'POST /api/push-notifications/preferences',
    again: 'same',
    ...changes('read', 'settings'),
    body: changePreferencesSchema,
  },
  testPush: { at: 'POST /api/push-notifications/test', ...changes('read', 'settings'), body: testPushSchema },
  listPushDeliveries: { at: 'GET /api/push-notifications/deliveries', ...reads('read'), query: listDeliveriesSchema },
  showVapidKey: { at: 'GET /api/push-notifications/vapid-key', ...reads('read') },
} as const satisfies Record<string, RestRule>;
