import { Router } from 'express';
import type { PairingView, PersonView } from '../../protocol/auth.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { deviceIdSchema } from '../../protocol/scalars.js';
import { usualScopes } from '../../services/identity/principal.js';
import type { UserEntry } from '../../services/identity/registry-file.js';
import type { UserId } from '../../services/ports/records.js';
import type { Session } from '../../services/sessions/session.js';
import { auditHttp } from '../http/audit-http.js';
import { parseInput, readBody, readQuery } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { userView } from './auth-routes.js';
import { deviceView } from './device-routes.js';

/** Routes for commands on this machine only, through the local socket. */
export function createLocalRoutes(services: RouteServices): Router {
  const { identity, control } = services;
  const router = Router();
  router.post('/token', async (_request, response) => {
    const token = await identity.makeToken();
    auditHttp(services, response, { action: 'settings' });
    response.json({ token });
  });
  router.post('/stop', async (request, response) => {
    response.json(await control.stop(readBody('stopDaemon', request)));
  });
  router.post('/pair', async (request, response) => {
    const { user, scopes, browser = false } = readBody('openPairing', request);
    const person = user === undefined ? identity.people.owner : identity.people.require(user);
    const { userId, role } = person;
    const opened = identity.codes.create({ userId: userId as UserId, scopes: scopes ?? usualScopes(role) });
    auditHttp(services, response, { action: 'pair', targetUserId: userId });
    response.json((await services.pairingOf({ ...opened, browser })) satisfies PairingView);
  });
  addUserRoutes(router, services);
  addDeviceRoutes(router, services);
  return router;
}

function addUserRoutes(router: Router, services: RouteServices): void {
  const { identity, registry, personalFolders } = services;
  const { people, devices } = identity;
  const view = (user: Readonly<UserEntry>): PersonView => ({
    ...userView(user),
    role: user.role,
    hasPassword: user.passwordHash !== undefined,
    devices: devices.list(user.userId as UserId).length,
    ...(user.createdAt !== undefined && { createdAt: new Date(user.createdAt).toISOString() }),
  });

  router.get('/users', (_request, response) => {
    response.json({ users: people.all.map(view) });
  });
  router.post('/users', async (request, response) => {
    const added = await people.add(readBody('addPerson', request));
    auditHttp(services, response, { action: 'users', targetUserId: added.userId });
    response.status(201).json(view(added));
  });
  router.patch('/users/:email', async (request, response) => {
    const { password } = readBody('changePerson', request);
    const changed = await people.setPassword(request.params.email, password);
    auditHttp(services, response, { action: 'users', targetUserId: changed.userId });
    response.json(view(changed));
  });
  router.delete('/users/:email', async (request, response) => {
    const userId = people.requireMember(request.params.email).userId as UserId;
    const purged = new Set<Session>();
    const purge = async () => {
      const sessions = registry.ownedAll(userId).filter((session) => !purged.has(session));
      await Promise.all(sessions.map((session) => session.purge().then(() => purged.add(session))));
    };
    // First: a session that could not be purged would block its directory, and the command could not be repeated.
    await purge();
    await identity.removePerson(request.params.email);
    await purge();
    services.answers.forgetPerson(userId);
    services.schedules.forgetPerson(userId);
    services.budgets.forgetPerson(userId);
    services.hooks.forgetPerson(userId);
    services.webhooks.forgetPerson(userId);
    // Done here for a person without a session; otherwise when the last CLI is gone.
    await personalFolders.removeUnusedOf(userId);
    auditHttp(services, response, { action: 'users', targetUserId: userId });
    response.json({ success: true, sessions: purged.size });
  });
}

/** Covers the devices of all people. */
function addDeviceRoutes(router: Router, services: RouteServices): void {
  const { people, devices } = services.identity;
  router.get('/devices', (_request, response) => {
    const all = devices.list().map((entry) => {
      const user = people.find(entry.userId as UserId)?.email;
      return { ...deviceView(entry), ...(user !== undefined && { user }) };
    });
    response.json({ devices: all });
  });
  router.delete('/devices/:id', async (request, response) => {
    const deviceId = parseInput(deviceIdSchema, request.params.id, 'id');
    const found = devices.list().filter((entry) => entry.deviceId === deviceId);
    const { user: email } = readQuery('revokeAnyDevice', request);
    const person = email === undefined ? undefined : people.require(email);
    const [entry, other] = found.filter((one) => person === undefined || one.userId === person.userId);
    if (other) {
      const suggestion = 'Name its owner with --user EMAIL.';
      throw new CompanionError('CONFLICT', 'Several people have a device with this id.', { field: 'id', suggestion });
    }
    // A device that connected with a token not issued to it is known only by its connections.
    const userId = (entry?.userId ?? person?.userId ?? people.owner.userId) as UserId;
    const device = { userId, deviceId };
    const wasHere = services.delivery.queueOf(device) !== undefined;
    if (!(await services.identity.revoke(device, { reason: 'revoked', wasHere })))
      throw new CompanionError('NOT_FOUND', 'There is no such device.', { field: 'id' });
    const target = { targetUserId: userId, targetDeviceId: deviceId };
    auditHttp(services, response, { action: 'revoke', ...target });
    response.json({ success: true, deviceId });
  });
}
