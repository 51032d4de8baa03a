import { Router } from 'express';
import type { RememberedList } from '../../protocol/rest.js';
import type { SessionId } from '../../protocol/scalars.js';
import { type TakenBack, takeBackRemembered } from '../../services/commands/session.js';
import { rememberedView } from '../../services/sessions/remembered-words.js';
import type { Session } from '../../services/sessions/session.js';
import type { RouteServices } from '../route-services.js';
import { callerOf, requirePrincipal } from './principal.js';
import { replied } from './replied.js';

/** `/api/sessions/:id/remembered`: lists remembered permissions, and revokes them. */
export function createRememberedRoutes(services: RouteServices): Router {
  const { registry } = services;
  const router = Router();

  router.get('/:id/remembered', (request, response) => {
    const session = registry.require(requirePrincipal(response).userId, request.params.id as SessionId);
    response.json(listOf(session));
  });

  router.delete(['/:id/remembered', '/:id/remembered/:rememberedId'], async (request, response) => {
    const { id, rememberedId } = request.params as { id: string; rememberedId?: string };
    const input = {
      caller: callerOf(response),
      sessionId: id as SessionId,
      ...(rememberedId !== undefined && { rememberedId }),
    };
    const { session, taken } = await replied<TakenBack>((reply) => takeBackRemembered(services, input, reply));
    response.json({ success: true, removed: taken.length, ...listOf(session) });
  });
  return router;
}

function listOf({ state: { record } }: Session): RememberedList {
  const { remembered = [], permissionMode } = record;
  return { remembered: remembered.map(rememberedView), ...(permissionMode !== undefined && { permissionMode }) };
}
