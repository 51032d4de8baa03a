import { type Request, type Response, Router } from 'express';
import type { Rewound } from '../../protocol/events.js';
import type { PromptPage, PromptView } from '../../protocol/prompts.js';
import { type PromptId, promptIdSchema, type SessionId } from '../../protocol/scalars.js';
import type { AnswerData } from '../../protocol/server-frames.js';
import * as commands from '../../services/commands/prompt.js';
import { listPrompts, showPrompt } from '../../services/commands/prompt-list.js';
import { rewindSession } from '../../services/commands/rewind.js';
import { interruptTurn } from '../../services/commands/session.js';
import { guardOf, isKnown, versionOf } from '../http/conditional.js';
import {
  callerOf,
  parseInput,
  promptCallerOf,
  readBody,
  readPrompted,
  readQuery,
  replied,
} from '../http/request-context.js';
import { markReplayed } from '../http/run-once.js';
import { WaitingClient } from '../http/waiting-client.js';
import type { RouteServices } from '../route-services.js';

type OfSession = Request<{ id: string }>;
type OfPrompt = Request<{ id: string; promptId: string }>;

const ofSession = (request: OfSession, response: Response) => ({
  caller: callerOf(response),
  sessionId: request.params.id as SessionId,
});

/** The prompts of `/api/sessions/:id`: those that wait, the turn that runs, and back to before one. */
export function createPromptRoutes(services: RouteServices): Router {
  const router = Router();
  addSendRoute(router, services);
  /** A prompt of the session in the path. */
  const ofPrompt = (request: OfPrompt, response: Response) => {
    const promptId: PromptId = parseInput(promptIdSchema, request.params.promptId, 'promptId');
    const of = { ...ofSession(request, response), promptId };
    commands.requirePromptOf(services, of);
    return of;
  };

  router.get('/:id/prompts', (request: OfSession, response) => {
    const input = { ...ofSession(request, response), ...readQuery('listPrompts', request) };
    response.json(listPrompts(services, input) satisfies PromptPage);
  });

  router.get('/:id/prompts/:promptId', async (request: OfPrompt, response) => {
    const of = ofPrompt(request, response);
    const view = (await showPrompt(services, of)) satisfies PromptView;
    if (!isKnown(response, `${versionOfPrompt(services, of)}.${versionOf(view)}`)) response.json(view);
  });

  router.patch('/:id/prompts/:promptId', async (request: OfPrompt, response) => {
    const of = ofPrompt(request, response);
    const body = await readPrompted('editPrompt', { services, response, at: of.sessionId });
    const input = { ...of, ...body, guard: guardOf(request, () => versionOfPrompt(services, of)) };
    response.json(await replied<AnswerData<'editPrompt'>>((reply) => commands.editPrompt(services, input, reply)));
  });

  router.post('/:id/prompts/:promptId/move', async (request: OfPrompt, response) => {
    const input = { ...ofPrompt(request, response), ...readBody('movePrompt', request) };
    response.json(await replied<AnswerData<'movePrompt'>>((reply) => commands.movePrompt(services, input, reply)));
  });

  router.delete('/:id/prompts/:promptId', async (request: OfPrompt, response) => {
    const of = ofPrompt(request, response);
    const input = { ...of, guard: guardOf(request, () => versionOfPrompt(services, of)) };
    response.json(
      await replied<AnswerData<'promptCancelled'>>((reply) => commands.cancelPrompt(services, input, reply)),
    );
  });

  router.post('/:id/interrupt', async (request: OfSession, response) => {
    const input = { ...ofSession(request, response), ...readBody('interruptSession', request) };
    response.json(await replied<AnswerData<'interrupted'>>((reply) => interruptTurn(services, input, reply)));
  });

  router.post('/:id/rewind', async (request: OfSession, response) => {
    const input = { ...ofSession(request, response), ...readBody('rewindSession', request) };
    response.json(await replied<Rewound>((reply) => rewindSession(services, input, reply)));
  });

  addQueueRoutes(router, services);
  return router;
}

/** Of what can be edited and cancelled; its place in the queue, and what its turn does, change without a person. */
function versionOfPrompt({ journal }: RouteServices, { promptId }: { promptId: PromptId }): string {
  const { text, state, body } = journal.findPrompt(promptId) ?? {};
  return versionOf([promptId, text, state, body?.id]);
}

/** Answers when the prompt is recorded, or has ended. A client that leaves meanwhile leaves its prompt running. */
function addSendRoute(router: Router, services: RouteServices): void {
  router.post('/:id/prompts', async (request: OfSession, response) => {
    const { wait, timeout: withinMs } = readQuery('createPrompt', request);
    const { sessionId } = ofSession(request, response);
    const body = await readPrompted('createPrompt', { services, response, at: sessionId });
    const { signal } = wait === 'true' ? new WaitingClient({ services, response, cut: false }) : {};
    const input = { caller: promptCallerOf(response), sessionId, ...body };
    const accepted = await replied<commands.AcceptedPrompt>((reply) => commands.sendPrompt(services, input, reply));
    commands.requireSamePrompt({ sessionId, text: body.prompt, accepted });
    if (accepted.duplicate) markReplayed(response);
    const { promptId } = accepted.prompt;
    const of = { session: accepted.session, promptId };
    const isOver = signal !== undefined && (await commands.hasEnded(of, { withinMs, signal }));
    // The credential of one who is still there has ended.
    if (signal?.aborted && !response.destroyed) throw signal.reason;
    response.status(isOver ? 200 : 202).location(`${request.originalUrl.split('?')[0] ?? ''}/${promptId}`);
    response.json((await showPrompt(services, { ...input, promptId })) satisfies PromptView);
  });
}

function addQueueRoutes(router: Router, services: RouteServices): void {
  router.get('/:id/queue', (request: OfSession, response) => {
    response.json(commands.readQueue(services, ofSession(request, response)));
  });

  router.delete('/:id/queue', async (request: OfSession, response) => {
    const input = ofSession(request, response);
    response.json(await replied<AnswerData<'clearQueue'>>((reply) => commands.clearQueue(services, input, reply)));
  });

  router.post('/:id/queue/continue', async (request: OfSession, response) => {
    const input = ofSession(request, response);
    response.json(
      await replied<AnswerData<'continueQueue'>>((reply) => commands.continueQueue(services, input, reply)),
    );
  });
}
