import { Router } from 'express';
import type { RouteServices } from '../route-services.js';

/** `/metrics`, in the text format of Prometheus. */
export function createMetricsRoutes({ metrics }: RouteServices): Router {
  const router = Router();
  router.get('/metrics', async (_request, response) => {
    response.type(metrics.contentType).send(await metrics.text());
  });
  return router;
}
