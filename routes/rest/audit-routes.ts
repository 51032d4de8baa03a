import { Router } from 'express';
import { readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/api/audit`: the owner sees what all people did, others what concerns them. */
export function createAuditRoutes({ readAudit, identity }: RouteServices): Router {
  const router = Router();
  router.get('/audit', async (request, response) => {
    const { userId } = requirePrincipal(response);
    const isOwner = identity.people.owner.userId === userId;
    const query = readQuery('listAudit', request);
    response.json(await readAudit({ ...query, person: isOwner ? undefined : userId }));
  });
  return router;
}
