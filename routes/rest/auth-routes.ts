import { type Request, type Response, Router } from 'express';
import type { AuthMethods, GrantView, MeView, RefreshView, TicketView, UserView } from '../../protocol/auth.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { Grant } from '../../services/identity/device-credentials.js';
import type { Identity } from '../../services/identity/identity.js';
import { usualScopes } from '../../services/identity/principal.js';
import type { UserEntry } from '../../services/identity/registry-file.js';
import type { UserId } from '../../services/ports/records.js';
import { unauthorized } from '../access/admission.js';
import { networkOf } from '../access/client-address.js';
import { auditHttp } from '../http/audit-http.js';
import { readBody, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

const BUSY_MS = 1000;

/** `/api/auth`: how a device obtains, renews and returns its credential. */
export function createAuthRoutes(services: RouteServices): Router {
  const { identity, admission } = services;
  const router = Router();

  router.post('/pair', async (request, response) => {
    const { code, deviceName: name, platform, deviceId } = readBody('pair', request);
    const isBlocked = admission.isBlocked('pairing', request);
    const granted = await identity.pair(code, { name, platform, deviceId }, isBlocked);
    if (!granted) await refuse(services, request, 'pairing');
    else give(response, 'pair', granted);
  });

  router.post('/login', async (request, response) => {
    give(response, 'login', await login(services, request));
  });

  router.get('/methods', (_request, response) => {
    const password = identity.people.all.some(({ passwordHash }) => passwordHash !== undefined);
    response.json({ password } satisfies AuthMethods);
  });

  router.post('/refresh', async (request, response) => {
    const { refreshToken, requestId } = readBody('refresh', request);
    const owner = identity.refreshOwner(refreshToken);
    if (owner !== undefined) await admission.limits.take('reads', owner);
    const granted = await identity.refresh(refreshToken, requestId);
    if (!granted) return refuse(services, request, 'refresh');
    auditHttp(services, response, { action: 'refresh', ...granted.device });
    response.json(refreshView(granted));
  });

  router.post('/logout', async (_request, response) => {
    const { userId, device } = requirePrincipal(response);
    if (!device)
      throw new CompanionError(
        'CONFLICT',
        'This credential does not belong to a device, so there is nothing to log out.',
      );
    await identity.revoke({ userId, deviceId: device.deviceId }, { reason: 'logged out' });
    auditHttp(services, response, { action: 'logout' });
    response.json({ success: true });
  });

  addOwnRoutes(router, services);
  return router;

  function give(response: Response, action: 'pair' | 'login', granted: Grant): void {
    auditHttp(services, response, { action, ...granted.device });
    const user = userView(personOf(identity, granted.device.userId));
    response.json({ ...refreshView(granted), user } satisfies GrantView);
  }
}

function addOwnRoutes(router: Router, { identity }: RouteServices): void {
  router.post('/ticket', (_request, response) => {
    const { ticket, expiresAt } = identity.tickets.create(requirePrincipal(response));
    response.json({ ticket, expiresAt: iso(expiresAt) } satisfies TicketView);
  });

  router.get('/me', (_request, response) => {
    const { userId, device, scopes, expiresAt } = requirePrincipal(response);
    const person = personOf(identity, userId);
    response.json({
      user: userView(person),
      role: person.role,
      ...(device && { deviceId: device.deviceId }),
      scopes: [...scopes],
      ...(expiresAt !== undefined && { expiresAt: iso(expiresAt) }),
    } satisfies MeView);
  });
}

/**
 * Counted by address and person, before the check: a forgotten password blocks no one else behind the same proxy.
 * Unknown email addresses are counted and hashed like the others.
 */
async function login({ identity, admission }: RouteServices, request: Request): Promise<Grant> {
  const { email, password, deviceName: name, platform, deviceId } = readBody('login', request);
  const from = networkOf(admission.addressOf(request));
  // First: an unchecked attempt leaves no count behind.
  if (!identity.people.hasRoom(from)) {
    throw new CompanionError('RATE_LIMITED', 'Too many passwords are being checked.', { retryAfterMs: BUSY_MS });
  }
  const attempt = await admission.limits.begin('login', `${from} ${email}`);
  const person = await identity.people.login(email, password, from).catch(async (error: unknown) => {
    await attempt.wasRight();
    throw error;
  });
  if (!person) {
    admission.audit('login', request, await attempt.wasWrong());
    throw unauthorized(REFUSED.login);
  }
  await attempt.wasRight();
  const { userId, role } = person;
  return identity.admit({ userId: userId as UserId, scopes: usualScopes(role), name, platform, deviceId });
}

async function refuse({ admission }: RouteServices, request: Request, kind: 'pairing' | 'refresh'): Promise<never> {
  await admission.failed(kind, request);
  throw unauthorized(REFUSED[kind]);
}

const REFUSED = {
  pairing: 'The code is wrong, used, revoked or expired.',
  login: 'The e-mail address or the password is wrong.',
  refresh: 'The refresh token is used, revoked or expired. Pair the device again.',
};

function personOf({ people }: Identity, userId: UserId): Readonly<UserEntry> {
  const person = people.find(userId);
  if (person) return person;
  throw unauthorized();
}

export const userView = ({ userId, email, name }: Readonly<UserEntry>): UserView => ({
  id: userId,
  email,
  ...(name !== undefined && { name }),
});

const refreshView = ({ device, accessToken, refreshToken, expiresAt, scopes }: Grant): RefreshView => ({
  deviceId: device.deviceId,
  accessToken,
  refreshToken,
  expiresAt: iso(expiresAt),
  scopes: [...scopes],
});

const iso = (at: number): string => new Date(at).toISOString();
