import { Router } from 'express';
import type { Search, SearchResults } from '../../protocol/search.js';
import type { Caller } from '../../services/commands/command-context.js';
import { searchAll } from '../../services/commands/search.js';
import { callerOf, readQuery } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/api/search`. */
export function createSearchRoutes(services: RouteServices): Router {
  const router = Router();
  router.get('/', async (request, response) => {
    response.json(await search(services, { caller: callerOf(response), query: readQuery('searchAll', request) }));
  });
  return router;
}

/** A page of what was found in the caller's sessions. Rejects as `searchAll` does. */
export async function search(
  services: RouteServices,
  { caller, query }: { caller: Caller; query: Search },
): Promise<SearchResults> {
  const found = await searchAll(services, { caller, query, base: services.firstRoot });
  return { ...found, limit: query.limit, hasMore: found.nextCursor !== undefined };
}
