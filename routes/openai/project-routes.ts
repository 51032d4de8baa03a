import { type Request, type Response, Router } from 'express';
import type { Project } from '../../protocol/openai-views.js';
import * as commands from '../../services/commands/projects.js';
import { pageOf } from '../../services/model/list-page.js';
import { callerOf, readBody, readQuery } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/v1/projects`. */
export function createProjectRoutes(services: RouteServices): Router {
  const router = Router();
  const ofProject = (request: Request<{ id: string }>, response: Response) => ({
    caller: callerOf(response),
    directory: commands.directoryOfProject(request.params.id, 'id'),
  });

  router.get('/', async (request, response) => {
    const all = await commands.listProjects(services, callerOf(response));
    const { items, page } = pageOf(all, { ...readQuery('listProjects', request), ...commands.PROJECT_ORDER });
    response.json({ projects: items.map(projectView), ...page });
  });

  router.post('/', async (request, response) => {
    const { name = '.', path } = readBody('createProject', request);
    const directory = path === undefined ? { path: name, field: 'name' } : { path, field: 'path' };
    const input = { caller: callerOf(response), directory: { ...directory, base: services.firstRoot } };
    const { created, ...project } = await commands.createProject(services, input);
    response.status(created ? 201 : 200).json(projectView(project));
  });

  router.get('/:id', async (request, response) => {
    response.json(projectView(await commands.findProject(services, ofProject(request, response))));
  });

  router.delete('/:id', async (request, response) => {
    await commands.forgetProject(services, { ...ofProject(request, response), ...readQuery('forgetProject', request) });
    response.json({ id: request.params.id, object: 'project', deleted: true });
  });
  return router;
}

function projectView({ path, name, session }: commands.ProjectView): Project {
  const { record, turn } = session?.state ?? {};
  return {
    id: commands.projectIdOf(path),
    object: 'project',
    name,
    path,
    is_active: turn !== undefined && turn !== null,
    ...(record && { session_id: record.sessionId, last_activity: new Date(record.lastActivity).toISOString() }),
  };
}
