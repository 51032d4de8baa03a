import { type Request, type Response, Router } from 'express';
import type { BudgetView } from '../../protocol/budgets.js';
import * as commands from '../../services/commands/budgets.js';
import type { BudgetRecord } from '../../services/ports/budgets.js';
import type { UserId } from '../../services/ports/records.js';
import { requireScope } from '../access/admission.js';
import { guardOf, isKnown, versionOf } from '../http/conditional.js';
import { readBody, readQuery, requirePrincipal } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

type OfBudget = Request<{ id: string }>;

/** `/api/budgets`: the caller's own; those of others with `admin`. */
export function createBudgetRoutes(services: RouteServices): Router {
  const router = Router();
  const keeperOf = (response: Response): commands.Keeper => {
    const { userId, scopes } = requirePrincipal(response);
    return { userId, isAdmin: scopes.has('admin') };
  };
  const found = ({ params }: OfBudget, response: Response) =>
    commands.requireBudgetOf(services, params.id, keeperOf(response));
  const changing = (request: OfBudget, response: Response) => {
    const { budgetId } = found(request, response);
    const guard = guardOf(request, () => versionOf(commands.requireBudgetOf(services, budgetId, keeperOf(response))));
    return { budgetId, keeper: keeperOf(response), guard };
  };

  router.get('/', async (request, response) => {
    const userId = personOf(services, response, readQuery('listBudgets', request).person);
    response.json({ budgets: await budgetViews(services, services.budgets.list(userId)) });
  });

  router.post('/', async (request, response) => {
    const { person, ...budget } = readBody('addBudget', request);
    const userId = personOf(services, response, person);
    const added = commands.addBudget(services, { userId, madeBy: requirePrincipal(response).userId, budget });
    response
      .status(201)
      .location(`/api/budgets/${added.budgetId}`)
      .json(await viewOf(services, added));
  });

  router.get('/:id', async (request: OfBudget, response) => {
    const budget = found(request, response);
    const view = await viewOf(services, budget);
    if (!isKnown(response, `${versionOf(budget)}.${versionOf(view)}`)) response.json(view);
  });

  router.patch('/:id', async (request: OfBudget, response) => {
    const changes = readBody('changeBudget', request);
    const changed = commands.changeBudget(services, { ...changing(request, response), changes });
    response.json(await viewOf(services, changed));
  });

  router.delete('/:id', (request: OfBudget, response) => {
    const input = changing(request, response);
    commands.removeBudget(services, input);
    response.json({ success: true, budgetId: input.budgetId });
  });

  return router;
}

/** The caller, or the person of this address for a caller with `admin`. */
function personOf({ identity }: RouteServices, response: Response, address: string | undefined): UserId {
  const principal = requirePrincipal(response);
  const own = identity.people.find(principal.userId)?.email;
  if (address === undefined || address === own) return principal.userId;
  requireScope(principal, 'admin');
  return identity.people.require(address).userId as UserId;
}

/** Budgets as their person sees them. */
export async function budgetViews(services: RouteServices, budgets: readonly BudgetRecord[]): Promise<BudgetView[]> {
  return (await commands.showBudgets(services, budgets)).map((shown) => named(services, shown));
}

const viewOf = async (services: RouteServices, budget: BudgetRecord): Promise<BudgetView> =>
  named(services, await commands.showBudget(services, budget));

function named({ identity }: RouteServices, { userId, ...shown }: commands.ShownBudget): BudgetView {
  return { ...shown, person: identity.people.find(userId)?.email ?? userId };
}
