import { Router } from 'express';
import { CompanionError } from '../../protocol/error-codes.js';
import { csvOf, reportOf } from '../../services/telemetry/report.js';
import { readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/api/telemetry`: the counters of `/metrics` in other shapes, and the traffic of single clients. */
export function createTelemetryRoutes({ metrics, clients, now }: RouteServices): Router {
  const router = Router();

  router.get('/', async (_request, response) => {
    response.json(reportOf(await metrics.samples()));
  });

  router.get('/client/:clientId', (request, response) => {
    const client = clients.find(requirePrincipal(response).userId, request.params.clientId);
    if (!client) throw new CompanionError('NOT_FOUND', 'No such client is connected.', { field: 'clientId' });
    response.json(client);
  });

  router.get('/export', async (request, response) => {
    const { format } = readQuery('exportTelemetry', request);
    if (format === 'prometheus') {
      response.type(metrics.contentType).send(await metrics.text());
      return;
    }
    const samples = await metrics.samples();
    if (format === 'csv') response.type('text/csv').send(csvOf(samples));
    else response.json({ timestamp: new Date(now()).toISOString(), samples });
  });

  return router;
}
