import { type Request, type Response, Router } from 'express';
import type { SessionId } from '../../protocol/scalars.js';
import { backgroundTask, listTasks, readTaskOutput, stopTask } from '../../services/commands/tasks.js';
import { callerOf, readBody } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';

/** `/api/sessions/:id/tasks`: what a session runs beside its turns. */
export function createTaskRoutes(services: RouteServices): Router {
  const router = Router();
  const ofSession = (request: Request<{ id: string }>, response: Response) => ({
    caller: callerOf(response),
    sessionId: request.params.id as SessionId,
  });
  const ofTask = (request: Request<{ id: string; taskId: string }>, response: Response) => ({
    ...ofSession(request, response),
    taskId: request.params.taskId,
  });

  router.get('/:id/tasks', (request, response) => {
    response.json(listTasks(services, ofSession(request, response)));
  });

  router.post('/:id/tasks/background', async (request, response) => {
    const input = { ...ofSession(request, response), ...readBody('backgroundTask', request) };
    response.json(await backgroundTask(services, input));
  });

  router.get('/:id/tasks/:taskId/output', async (request, response) => {
    response.json(await readTaskOutput(services, ofTask(request, response)));
  });

  router.post('/:id/tasks/:taskId/stop', async (request, response) => {
    response.json(await stopTask(services, ofTask(request, response)));
  });
  return router;
}
