import { Router } from 'express';
import type { DeviceView } from '../../protocol/auth.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { DeviceQueue } from '../../protocol/rest.js';
import { deviceIdSchema } from '../../protocol/scalars.js';
import type { DeviceEntry } from '../../services/identity/registry-file.js';
import { patchPreferences, readPreferences } from '../../services/model/push-preferences.js';
import { auditHttp } from '../http/audit-http.js';
import { guardOf, isKnown, readIfMatch, requireMatch, versionOf } from '../http/conditional.js';
import { parseInput, readBody, requireDevice, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

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
    const guard = guardOf(request, () => versionOfDevice(devices.require(device)));
    const wasHere = delivery.queueOf(device) !== undefined;
    if (!(await identity.revoke(device, { reason: 'revoked', wasHere, guard })))
      throw new CompanionError('NOT_FOUND', 'There is no such device.', { field: 'id' });
    auditHttp(services, response, { action: 'revoke', targetDeviceId: deviceId });
    response.json({ success: true, deviceId });
  });

  router.get('/:id/queue', async (request, response) => {
    const deviceId = parseInput(deviceIdSchema, request.params.id, 'id');
    const device = { userId: requirePrincipal(response).userId, deviceId };
    const sessions = delivery.queueOf(device);
    if (!sessions && !devices.knows(device)) {
      throw new CompanionError('NOT_FOUND', 'There is no such device.', { field: 'id' });
    }
    response.json({ sessions: sessions ?? [] } satisfies DeviceQueue);
  });

  router.get('/:id', (request, response) => {
    const deviceId = parseInput(deviceIdSchema, request.params.id, 'id');
    const entry = devices.require({ userId: requirePrincipal(response).userId, deviceId });
    const view = deviceView(entry);
    if (!isKnown(response, `${versionOfDevice(entry)}.${versionOf(view)}`)) response.json(view satisfies DeviceView);
  });

  router.patch('/:id', async (request, response) => {
    const device = requireDevice(response, parseInput(deviceIdSchema, request.params.id, 'id'));
    const { name, preferences } = readBody('changeDevice', request);
    const permitted = readIfMatch(request);
    await devices.amend(device, (entry) => {
      requireMatch(permitted, versionOfDevice(entry));
      if (name !== undefined) entry.name = name;
      if (preferences) entry.preferences = patchPreferences(readPreferences(entry.preferences), preferences);
    });
    push.judgeAgain(device.userId);
    response.json(deviceView(devices.require(device)) satisfies DeviceView);
  });

  return router;
}

/** Of what a person can change; when it was seen last changes with its use. */
const versionOfDevice = ({ deviceId, name, preferences, push, revoked }: Readonly<DeviceEntry>): string =>
  versionOf([deviceId, name, readPreferences(preferences), push?.platform, revoked]);

/** A device as shown to its person: without its push registration, and without secrets. */
export const deviceView = ({
  deviceId,
  name,
  platform,
  family,
  revoked,
  push,
  preferences,
}: Readonly<DeviceEntry>): DeviceView => ({
  id: deviceId,
  deviceId,
  ...(name !== undefined && { name }),
  ...((platform ?? push?.platform) !== undefined && { platform: platform ?? push?.platform }),
  paired: family !== undefined,
  ...(family && { scopes: family.scopes, pairedAt: iso(family.createdAt), lastSeenAt: iso(family.refreshedAt) }),
  ...(revoked && { revoked: { at: iso(revoked.at), reason: revoked.reason } }),
  ...(push && { push: push.platform }),
  preferences: readPreferences(preferences),
});

const iso = (at: number): string => new Date(at).toISOString();
