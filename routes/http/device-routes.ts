import { Router } from 'express';
import type { DeviceView } from '../../protocol/auth.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { patchDeviceSchema } from '../../protocol/push.js';
import type { DeviceQueue } from '../../protocol/rest.js';
import { deviceIdSchema } from '../../protocol/scalars.js';
import { patchPreferences, readPreferences } from '../../services/push/push-preferences.js';
import type { RouteServices } from '../route-services.js';
import { auditHttp } from './audit-http.js';
import { deviceView } from './device-view.js';
import { parseInput } from './parse-input.js';
import { requireDevice, requirePrincipal } from './principal.js';

/** `/api/devices`: those of the caller's person. */
export function createDeviceRoutes(services: RouteServices): Router {
  const { delivery, identity, push } = services;
  const { devices } = identity;
  const router = Router();

  router.get('/', (_request, response) => {
    response.json({ devices: devices.list(requirePrincipal(response).userId).map(deviceView) });
  });

  /** A device can revoke itself; revoking another one takes `admin`. */
  router.delete('/:id', async (request, response) => {
    const deviceId = parseInput(deviceIdSchema, request.params.id, 'id');
    const device = requireDevice(response, deviceId);
    const wasHere = (await delivery.queueOf(device)) !== undefined;
    if (!(await identity.revoke(device, { reason: 'revoked', wasHere })))
      throw new CompanionError('NOT_FOUND', 'There is no such device.', { field: 'id' });
    auditHttp(services, response, { action: 'revoke', targetDeviceId: deviceId });
    response.json({ success: true, deviceId });
  });

  router.get('/:id/queue', async (request, response) => {
    const deviceId = parseInput(deviceIdSchema, request.params.id, 'id');
    const device = { userId: requirePrincipal(response).userId, deviceId };
    const sessions = await delivery.queueOf(device);
    if (!sessions && !devices.knows(device)) {
      throw new CompanionError('NOT_FOUND', 'There is no such device.', { field: 'id' });
    }
    response.json({ sessions: sessions ?? [] } satisfies DeviceQueue);
  });

  router.patch('/:id', async (request, response) => {
    const device = requireDevice(response, parseInput(deviceIdSchema, request.params.id, 'id'));
    const { name, preferences } = parseInput(patchDeviceSchema, request.body, 'body');
    await devices.amend(device, (entry) => {
      if (name !== undefined) entry.name = name;
      if (preferences) entry.preferences = patchPreferences(readPreferences(entry.preferences), preferences);
    });
    push.judgeAgain(device.userId);
    response.json(deviceView(devices.require(device)) satisfies DeviceView);
  });

  return router;
}
