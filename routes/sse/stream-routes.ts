import { type Request, type Response, Router } from 'express';
import { promptIdSchema, type SessionId } from '../../protocol/scalars.js';
import { parseInput, readQuery } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { type AskedStream, readAsked, type StreamCommand } from './asked-stream.js';
import { EVENT_STREAM_HEADERS } from './event-stream.js';
import { streamAll } from './person-stream.js';
import { streamPrompt } from './prompt-stream.js';
import { streamSession } from './session-stream.js';
import { streamWaiting } from './waiting-stream.js';

/** `/api/stream`: all sessions of the person. */
export function createPersonStreamRoutes(services: RouteServices): Router {
  const router = Router();
  router.get(
    '/',
    handle(services, 'streamAll', (asked, _params, request) => {
      const { only, sessionId } = readQuery('streamAll', request);
      if (only === 'waiting') streamWaiting(asked, sessionId);
      else streamAll(asked);
    }),
  );
  return router;
}

/** The streams of `/api/sessions/:id`. */
export function createStreamRoutes(services: RouteServices): Router {
  const router = Router();
  router.get(
    '/:id/stream',
    handle<{ id: string }>(services, 'streamSession', (asked, { id }) => streamSession(asked, id as SessionId)),
  );
  router.get(
    '/:id/prompts/:promptId/stream',
    handle<{ id: string; promptId: string }>(services, 'streamPrompt', (asked, { id, promptId }) => {
      const parsed = parseInput(promptIdSchema, promptId, 'promptId');
      streamPrompt(asked, { sessionId: id as SessionId, promptId: parsed });
    }),
  );
  return router;
}

const handle =
  <Params>(
    services: RouteServices,
    command: StreamCommand,
    open: (asked: AskedStream, params: Params, request: Request) => void,
  ) =>
  (request: Request<Params>, response: Response): void => {
    const asked = readAsked(services, { command, request: request as Request, response });
    if (request.method === 'HEAD') response.writeHead(200, EVENT_STREAM_HEADERS).end();
    else open(asked, request.params, request as Request);
  };
