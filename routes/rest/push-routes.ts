import { Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import type { PushDeliveries, PushDelivery } from '../../protocol/push.js';
import { patchPreferences, readPreferences } from '../../services/model/push-preferences.js';
import type { PushRecord } from '../../services/ports/outbox.js';
import { readBody, readQuery, requireDevice, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/api/push-notifications`: for the devices of the caller's person. */
export function createPushRoutes({ identity, push }: RouteServices): Router {
  const router = Router();

  router.post('/register', async (request, response) => {
    const { deviceId, ...registration } = readBody('registerPush', request);
    requireDevice(response, deviceId);
    await push.reach.requirePublic(registration);
    // Checked again: the device can have been revoked during the lookup of its host.
    const device = requireDevice(response, deviceId);
    await identity.devices.register(device, registration);
    push.judgeAgain(device.userId);
    response.json({ success: true, deviceId });
  });

  router.post('/preferences', async (request, response) => {
    const { deviceId, preferences } = readBody('changePushPreferences', request);
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
    const { deviceId } = readBody('testPush', request);
    const device = requireDevice(response, deviceId);
    if (!identity.devices.require(device).push) {
      throw new CompanionError('CONFLICT', 'The device has no push registration.', { field: 'deviceId' });
    }
    response.status(202).json({ success: true, id: push.test(device) });
  });

  router.get('/deliveries', async (request, response) => {
    const range = readQuery('listPushDeliveries', request);
    const { pushes, total } = push.deliveries(requirePrincipal(response).userId, range);
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
