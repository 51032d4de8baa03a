import { Router } from 'express';
import { findPrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/live`, `/ready` and `/health`. Without a credential they report only that the daemon lives, `/ready` nothing. */
export function createHealthRoutes(services: RouteServices): Router {
  const router = Router();
  router.get('/live', (_request, response) => {
    response.json({ status: 'ok' });
  });
  router.get('/ready', async (_request, response) => {
    const isReady = (await services.health()).status !== 'unhealthy';
    response.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'unavailable' });
  });
  router.get('/health', async (_request, response) => {
    const health = await services.health();
    response.status(health.status === 'unhealthy' ? 503 : 200);
    response.json(findPrincipal(response) ? health : { status: health.status });
  });
  return router;
}

/** `/metrics`, in the text format of Prometheus. */
export function createMetricsRoutes({ metrics }: RouteServices): Router {
  const router = Router();
  router.get('/metrics', async (_request, response) => {
    response.type(metrics.contentType).send(await metrics.text());
  });
  return router;
}
