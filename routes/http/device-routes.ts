import { Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import type { DeviceQueue } from '../../protocol/rest.js';
import { deviceIdSchema } from '../../protocol/scalars.js';
import type { RouteServices } from '../route-services.js';
import { parseInput } from './parse-input.js';
import { requirePrincipal } from './principal.js';

/** `/api/devices`: those of the caller's person. */
export function createDeviceRoutes({ delivery, identity }: RouteServices): Router {
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

  return router;
}
