import { Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import {
  changePreferencesSchema,
  listDeliveriesSchema,
  type PushDeliveries,
  type PushDelivery,
  registerPushSchema,
  testPushSchema,
} from '../../protocol/push.js';
import type { PushRecord } from '../../services/ports/outbox.js';
import { patchPreferences, readPreferences } from '../../services/push/push-preferences.js';
import type { RouteServices } from '../route-services.js';
import { parseInput } from './parse-input.js';
import { requireDevice, requirePrincipal } from './principal.js';

/** `/api/push-notifications`: for the devices of the caller's person. */
export function createPushRoutes({ identity, push }: RouteServices): Router {
  const router = Router();

  router.post('/register', async (request, response) => {
    const { deviceId, ...registration } = parseInput(registerPushSchema, request.body, 'body');
    requireDevice(response, deviceId);
    await push.reach.requirePublic(registration);
    // Checked again: the device can have been revoked during the lookup of its host.
    const device = requireDevice(response, deviceId);
    await identity.devices.register(device, registration);
    push.judgeAgain(device.userId);
    response.json({ success: true, deviceId });
  });

  router.post('/preferences', async (request, response) => {
    const { deviceId, preferences } = parseInput(changePreferencesSchema, request.body, 'body');
    const device = requireDevice(response, deviceId);
    await identity.devices.amend(device, (entry) => {
      entry.preferences = patchPreferences(readPreferences(entry.preferences), preferences);
    });
    push.judgeAgain(device.userId);
    response.json({
      success: true,
      deviceId,
      preferences: readPreferences(identity.devices.require(device).preferences),
    });
  });

  router.post('/test', async (request, response) => {
    const { deviceId } = parseInput(testPushSchema, request.body, 'body');
    const device = requireDevice(response, deviceId);
    if (!identity.devices.require(device).push) {
      throw new CompanionError('CONFLICT', 'The device has no push registration.', { field: 'deviceId' });
    }
    response.status(202).json({ success: true, id: await push.test(device) });
  });

  router.get('/deliveries', async (request, response) => {
    const range = parseInput(listDeliveriesSchema, request.query, 'query');
    const { pushes, total } = await push.deliveries(requirePrincipal(response).userId, range);
    response.json({ deliveries: pushes.map(deliveryOf), total } satisfies PushDeliveries);
  });

  router.get('/vapid-key', (_request, response) => {
    const { vapidKey } = push;
    if (vapidKey === undefined) {
      throw new CompanionError('NOT_FOUND', 'The server has no key for pushes to browsers.', {
        suggestion: 'Check push in /health.',
      });
    }
    response.json({ publicKey: vapidKey });
  });

  return router;
}

const deliveryOf = (push: PushRecord): PushDelivery => ({
  id: push.pushId,
  kind: push.kind,
  deviceId: push.device.deviceId,
  sessionId: push.sessionId ?? null,
  state: push.state,
  at: iso(push.updatedAt),
  ...(push.reason !== undefined && { reason: push.reason }),
  attempts: push.attempts,
  history: push.history.map(({ at, ...transition }) => ({ ...transition, at: iso(at) })),
});

const iso = (at: number) => new Date(at).toISOString();
