import { type Request, type Response, Router } from 'express';
import type { RestInput } from '../../protocol/commands/rest.js';
import { invalid } from '../../protocol/error-codes.js';
import type { Caller } from '../../services/commands/command-context.js';
import * as projects from '../../services/commands/projects.js';
import { type StartedSession, startSession } from '../../services/commands/start-session.js';
import { pageOf } from '../../services/model/list-page.js';
import { sessionView } from '../../services/sessions/session-view.js';
import { requireScope } from '../access/admission.js';
import {
  callerOf,
  readBody,
  readPermittedBody,
  readQuery,
  replied,
  requirePrincipal,
} from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { detailedViews, placeView } from './place-view.js';
import { createRepositoryRoutes } from './repository-routes.js';

type Named = Request<{ name: string }>;

/** `/api/projects`: the directories below the allowed roots, by the names of their folders. */
export function createPlaceRoutes(services: RouteServices): Router {
  const router = Router();
  const view = (project: projects.ProjectView) => placeView(services, project);
  const find = ({ params }: Named, response: Response) =>
    projects.findNamedProject(services, { caller: callerOf(response), name: params.name });

  router.get('/', async (request, response) => {
    response.json(await listPlaces(services, { caller: callerOf(response), ...readQuery('listPlaces', request) }));
  });

  router.post('/', async (request, response) => {
    const { name } = readBody('makePlace', request);
    const directory = { path: name, base: services.firstRoot, field: 'name' };
    const made = await projects.createProject(services, { caller: callerOf(response), directory });
    response.status(made.created ? 201 : 200).json(await view(made));
  });

  router.get('/:name', async (request: Named, response) => {
    const found = [await find(request, response)];
    const [shown] = await detailedViews(services, { caller: callerOf(response), found });
    response.json(shown);
  });

  router.delete('/:name', async (request: Named, response) => {
    const { confirm, files } = readQuery('forgetPlace', request);
    const project = await find(request, response);
    const { name } = project;
    if (confirm !== name) throw invalid('confirm', 'must be the name of the project');
    if (files === 'true') await removeFiles(services, response, project);
    else await project.session?.purge();
    response.json({ success: true, name });
  });

  router.post('/:name/start', async (request: Named, response) => {
    const options = readPermittedBody('startPlace', response);
    const { path } = await find(request, response);
    const directory = { path, field: 'name' };
    const input = { caller: callerOf(response), directory, prompt: '', options, optionsField: '' };
    const { session, answer } = await replied<StartedSession>((reply) => startSession(services, input, reply));
    const { reused } = answer;
    response.status(reused ? 200 : 201).json({ ...(await sessionView(session, services)), reused });
  });
  router.use(createRepositoryRoutes(services));
  return router;
}

type PlacesQuery = RestInput<'listPlaces', 'query'> & { caller: Caller };

/** A page of the directories in which the caller's sessions can be. */
export async function listPlaces(services: RouteServices, { caller, details, ...query }: PlacesQuery) {
  const all = await projects.listProjects(services, caller);
  const { items: found, page } = pageOf(all, { ...query, ...projects.PROJECT_ORDER });
  const shown =
    details === 'true'
      ? await detailedViews(services, { caller, found })
      : await Promise.all(found.map((project) => placeView(services, project)));
  return { projects: shown, ...page };
}

/** Also those that programs obey. */
async function removeFiles(services: RouteServices, response: Response, project: projects.ProjectView): Promise<void> {
  const principal = requirePrincipal(response);
  for (const scope of ['files', 'approve'] as const) requireScope(principal, scope);
  await projects.removeProject(services, project);
}
