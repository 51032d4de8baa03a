import { Router } from 'express';
import type { Info, UsageLimits, UsageQuestion } from '../../protocol/usage.js';
import { accountOf, readLimits, readUsage } from '../../services/commands/usage.js';
import type { UserId } from '../../services/ports/records.js';
import { describeCli } from '../describe-cli.js';
import { callerOf, readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { budgetViews } from './budget-routes.js';

/** `/api/info` and `/api/usage`. */
export function createUsageRoutes(services: RouteServices): Router {
  const router = Router();
  router.get('/info', async (_request, response) => {
    const cli = await describeCli(services);
    const account = accountOf(services, callerOf(response));
    response.json({
      version: services.version,
      ...cli,
      ...(account && { account }),
      addresses: await services.lastingAddresses(),
    } satisfies Info);
  });
  router.get('/usage', async (request, response) => {
    const query = readQuery('showUsage', request);
    const isAll = requirePrincipal(response).scopes.has('admin');
    const rows = await readUsage(services, callerOf(response), { ...query, isAll });
    const { userId } = requirePrincipal(response);
    response.json({
      rows: rows.map(({ key, ...row }) => ({ key: nameOf(services, query, key), ...row })),
      budgets: await budgetViews(services, services.budgets.list(userId)),
    });
  });
  router.get('/usage/limits', async (_request, response) => {
    response.json((await readLimits(services, callerOf(response))) satisfies UsageLimits);
  });
  return router;
}

/** People are known by their address; one that was removed has only an id. */
const nameOf = ({ identity }: RouteServices, { group }: UsageQuestion, key: string): string =>
  group === 'person' ? (identity.people.find(key as UserId)?.email ?? key) : key;
