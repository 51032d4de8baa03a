import { Router } from 'express';
import type { RememberedList } from '../../protocol/rest.js';
import type { SessionId } from '../../protocol/scalars.js';
import { rememberedView } from '../../services/sessions/remembered-words.js';
import type { Session } from '../../services/sessions/session.js';
import type { RouteServices } from '../route-services.js';
import { requirePrincipal } from './principal.js';

/** `/api/sessions/:id/remembered`: what need not be asked any more, and how to have it asked again. */
export function createRememberedRoutes({ registry }: RouteServices): Router {
  const router = Router();

  router.get('/:id/remembered', (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, request.params.id as SessionId);
    response.json(listOf(session));
  });

  router.delete('/:id/remembered', async (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, request.params.id as SessionId);
    const taken = await takeBack(session, undefined);
    response.json({ success: true, removed: taken.length, ...listOf(session) });
  });

  router.delete('/:id/remembered/:rememberedId', async (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, request.params.id as SessionId);
    const taken = await takeBack(session, request.params.rememberedId);
    response.json({ success: true, removed: taken.length, ...listOf(session) });
  });
  return router;
}

const takeBack = (session: Session, id: string | undefined) =>
  new Promise<readonly unknown[]>((resolve, reject) => {
    session.takeBackRemembered(id, resolve).catch(reject);
  });

function listOf({ state: { record } }: Session): RememberedList {
  const { remembered = [], permissionMode } = record;
  return { remembered: remembered.map(rememberedView), ...(permissionMode !== undefined && { permissionMode }) };
}
