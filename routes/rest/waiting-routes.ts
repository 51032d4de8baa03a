import { Router } from 'express';
import type { RestInput } from '../../protocol/commands/rest.js';
import type { Waiting } from '../../protocol/waiting.js';
import type { Caller } from '../../services/commands/command-context.js';
import { callerOf, readQuery } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { isWaiting, shownWaiting } from '../waiting-view.js';

/** `/api/waiting`: the caller's open permission requests, and the prompts that run or wait. */
export function createWaitingRoutes(services: RouteServices): Router {
  const router = Router();
  router.get('/', (request, response) => {
    response.json(listWaiting(services, { caller: callerOf(response), ...readQuery('listWaiting', request) }));
  });
  return router;
}

type WaitingQuery = RestInput<'listWaiting', 'query'> & { caller: Pick<Caller, 'device'> };

/** What waits in the caller's sessions, or in one of them. Throws `SESSION_NOT_FOUND`. */
export function listWaiting(services: RouteServices, { caller, sessionId }: WaitingQuery): Waiting {
  const { registry } = services;
  const { userId } = caller.device;
  if (sessionId !== undefined)
    return { sessions: [shownWaiting(services, registry.require(userId, sessionId), 'one')] };
  const shown = registry.owned(userId).map((session) => shownWaiting(services, session, 'listed'));
  return { sessions: shown.filter(isWaiting) };
}
