import { type Request, Router } from 'express';
import { addWorktree, findNamedProject } from '../../services/commands/projects.js';
import { callerOf, readBody } from '../http/request-context.js';
import { WaitingClient } from '../http/waiting-client.js';
import type { RouteServices } from '../route-services.js';
import { answerClone } from './clone-answer.js';
import { placeView } from './place-view.js';

/** Projects that are made by git. */
export function createRepositoryRoutes(services: RouteServices): Router {
  const router = Router();

  router.post('/clone', async (request, response) => {
    await answerClone(services, { request, response });
  });

  router.post('/:name/worktrees', async (request: Request<{ name: string }>, response) => {
    const { branch, newBranch, name: given } = readBody('addWorktree', request);
    const caller = callerOf(response);
    const project = await findNamedProject(services, { caller, name: request.params.name });
    const { signal } = new WaitingClient({ services, response, cut: false });
    const name = given ?? `${project.name}-${newBranch ?? branch}`.replaceAll('/', '-');
    const directory = { path: name, base: services.firstRoot, field: 'name' };
    const made = await addWorktree(services, { caller, project: project.path, branch, newBranch, directory, signal });
    response.status(201).json(await placeView(services, made));
  });
  return router;
}
