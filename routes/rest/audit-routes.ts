import { Router } from 'express';
import { readQuery } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/api/audit`. */
export function createAuditRoutes({ readAudit }: RouteServices): Router {
  const router = Router();
  router.get('/audit', async (request, response) => {
    response.json(await readAudit(readQuery('listAudit', request)));
  });
  return router;
}
