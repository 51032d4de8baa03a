import { Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import type { KeyView } from '../../protocol/keys.js';
import type { KeyEntry } from '../../services/identity/registry-file.js';
import type { UserId } from '../../services/ports/records.js';
import { requireScope } from '../access/admission.js';
import { auditHttp } from '../http/audit-http.js';
import { readBody, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/api/keys`: those of the caller's person. */
export function createKeyRoutes({ identity }: RouteServices): Router {
  const { keys } = identity;
  const router = Router();

  router.get('/', (_request, response) => {
    response.json({ keys: keys.list(requirePrincipal(response).userId).map(keyView) });
  });

  router.post('/', async (request, response) => {
    const { expiresAt, ...body } = readBody('addKey', request);
    const { userId, scopes } = requirePrincipal(response);
    const missing = body.scopes.find((scope) => !scopes.has(scope));
    if (missing !== undefined) {
      const rule = `must be scopes of the credential that adds the key, which lacks ${missing}`;
      throw new CompanionError('PERMISSION_DENIED', `scopes: ${rule}`, { field: 'scopes', rule });
    }
    const { entry, secret } = await keys.add({ userId, ...body, ...expiryOf(expiresAt) });
    response.status(201).json({ ...keyView(entry), key: secret });
  });

  router.delete('/:id', async (request, response) => {
    const { id } = request.params;
    const principal = requirePrincipal(response);
    if (principal.key?.keyId !== id) requireScope(principal, 'admin');
    await keys.revoke(id, principal.userId);
    response.json({ success: true, id });
  });

  return router;
}

/** `/local/keys`: those of all people. */
export function createLocalKeyRoutes(services: RouteServices): Router {
  const { keys, people } = services.identity;
  const router = Router();

  router.get('/', (_request, response) => {
    const all = keys.list().map((entry) => {
      const user = people.find(entry.userId as UserId)?.email;
      return { ...keyView(entry), ...(user !== undefined && { user }) };
    });
    response.json({ keys: all });
  });

  router.post('/', async (request, response) => {
    const { user, expiresAt, ...body } = readBody('addAnyKey', request);
    const userId = (user === undefined ? people.owner : people.require(user)).userId as UserId;
    const { entry, secret } = await keys.add({ userId, ...body, ...expiryOf(expiresAt) });
    auditHttp(services, response, { action: 'settings', targetUserId: userId });
    response.status(201).json({ ...keyView(entry), key: secret });
  });

  router.delete('/:id', async (request, response) => {
    const { id } = request.params;
    const { userId } = await keys.revoke(id);
    auditHttp(services, response, { action: 'revoke', targetUserId: userId });
    response.json({ success: true, id });
  });

  return router;
}

const expiryOf = (text: string | undefined): { expiresAt?: number } =>
  text === undefined ? {} : { expiresAt: Date.parse(text) };

/** A key as shown to its person: without its digest. */
const keyView = ({ keyId, name, scopes, limits, createdAt, expiresAt, lastUsedAt }: Readonly<KeyEntry>): KeyView => ({
  id: keyId,
  name,
  scopes,
  ...(limits && { limits }),
  createdAt: iso(createdAt),
  ...(expiresAt !== undefined && { expiresAt: iso(expiresAt) }),
  ...(lastUsedAt !== undefined && { lastUsedAt: iso(lastUsedAt) }),
});

const iso = (at: number): string => new Date(at).toISOString();
