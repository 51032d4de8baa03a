import { Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import { patchDeviceSchema } from '../../protocol/push.js';
import type { DeviceQueue } from '../../protocol/rest.js';
import { deviceIdSchema } from '../../protocol/scalars.js';
import type { DeviceEntry } from '../../services/identity/registry-file.js';
import { patchPreferences, readPreferences } from '../../services/push/push-preferences.js';
import type { RouteServices } from '../route-services.js';
import { parseInput } from './parse-input.js';
import { requirePrincipal } from './principal.js';

/** `/api/devices`: those of the caller's person. */
export function createDeviceRoutes({ delivery, identity, push }: RouteServices): Router {
  const router = Router();

  router.get('/:id/queue', async (request, response) => {
    const deviceId = parseInput(deviceIdSchema, request.params.id, 'id');
    const device = { userId: requirePrincipal(response).userId, deviceId };
    const sessions = await delivery.queueOf(device);
    if (!sessions && !identity.knows(device)) {
      throw new CompanionError('NOT_FOUND', 'There is no such device.', { field: 'id' });
    }
    response.json({ sessions: sessions ?? [] } satisfies DeviceQueue);
  });

  router.patch('/:id', async (request, response) => {
    const { userId } = requirePrincipal(response);
    const device = { userId, deviceId: parseInput(deviceIdSchema, request.params.id, 'id') };
    const { name, preferences } = parseInput(patchDeviceSchema, request.body, 'body');
    await identity.amendDevice(device, (entry) => {
      if (name !== undefined) entry.name = name;
      if (preferences) entry.preferences = patchPreferences(readPreferences(entry.preferences), preferences);
    });
    push.judgeAgain(userId);
    response.json(deviceView(identity.requireDevice(device)));
  });

  return router;
}

/** Without what a push could be sent with. */
const deviceView = ({ deviceId, name, push, preferences }: DeviceEntry) => ({
  id: deviceId,
  deviceId,
  ...(name !== undefined && { name }),
  ...(push && { platform: push.platform }),
  preferences: readPreferences(preferences),
});
