import { type Request, type Response, Router } from 'express';
import { nanoid } from 'nanoid';
import type { CompanionError } from '../../protocol/error-codes.js';
import type { ResponseRequest } from '../../protocol/responses.js';
import type { PromptId } from '../../protocol/scalars.js';
import { type AcceptedPrompt, cancelPrompt, hasEnded, requireSamePrompt } from '../../services/commands/prompt.js';
import { type NextPlace, ResponseBranches } from '../../services/commands/response-branches.js';
import * as commands from '../../services/commands/responses.js';
import type { ChatEnd, ChatListener } from '../../services/ports/chat.js';
import { toCompanionError } from '../http/http-errors.js';
import {
  callerOf,
  promptCallerOf,
  readBody,
  readQuery,
  replied,
  requirePrincipal,
  traceOf,
} from '../http/request-context.js';
import { markReplayed } from '../http/run-once.js';
import { WaitingClient } from '../http/waiting-client.js';
import type { RouteServices } from '../route-services.js';
import { admitChat } from './admit-chat.js';
import { answered } from './answered.js';
import { askAlone, askInSession, cancelWhenGone, DEFAULT_MODEL } from './ask-claude.js';
import { failureOf } from './chat-end.js';
import { attachmentsOf, type ChatPrompt, textOf } from './chat-prompt.js';
import { ResponseEvents } from './response-events.js';
import { askedOf, promptOf } from './response-input.js';
import { endedResponse, factsOf, openResponse, type ResponseFacts } from './response-object.js';
import { endOfPrompt, PromptFollower } from './session-chat.js';
import { WholeResponse } from './whole-response.js';

type OfResponse = Request<{ id: string }>;

const findOne = (services: RouteServices, request: OfResponse, response: Response) =>
  commands.findResponse(services, { caller: callerOf(response), id: request.params.id });

/** How long a cancelled turn has to end, in milliseconds. */
const CANCEL_MS = 30_000;

/** `/v1/responses`. */
export function createResponseRoutes(services: RouteServices): Router {
  const router = Router();
  addCreateRoute(router, services);

  router.get('/:id', async (request: OfResponse, response) => {
    const { stream, starting_after: after = -1 } = readQuery('showResponse', request);
    const kept = findOne(services, request, response);
    if (stream !== 'true' || request.method === 'HEAD') {
      response.json(await shown(services, { response, kept }));
      return;
    }
    new WaitingClient({ services, response, cut: true });
    follow(services, { response, kept, listener: eventsOf(services, { response, kept, after }) });
  });

  router.post('/:id/cancel', async (request: OfResponse, response) => {
    const { session, prompt } = findOne(services, request, response);
    const { promptId, endedAt } = prompt;
    if (endedAt === undefined) {
      const caller = callerOf(response);
      await replied((reply) => cancelPrompt(services, { caller, promptId }, reply));
      await hasEnded({ session, promptId }, { withinMs: CANCEL_MS, signal: new AbortController().signal });
    }
    response.json(await shown(services, { response, kept: findOne(services, request, response) }));
  });

  router.delete('/:id', async (request: OfResponse, response) => {
    const { id } = request.params;
    await commands.deleteResponse(services, { caller: callerOf(response), id });
    response.json({ id, object: 'response', deleted: true });
  });
  return router;
}

interface Kept {
  response: Response;
  kept: commands.KeptResponse;
}

/** The object as it is now. */
async function shown(services: RouteServices, { response, kept }: Kept) {
  const facts = factsOf(kept);
  const { endedAt, state } = kept.prompt;
  if (endedAt === undefined) return openResponse(facts, state === 'queued' ? 'queued' : 'in_progress');
  return new Promise<ReturnType<typeof endedResponse>>((resolve) => {
    const listener = new WholeResponse((end, text) => resolve(endedResponse(facts, { end, text, endedAt })));
    follow(services, { response, kept, listener });
  });
}

function eventsOf({ journal, now }: RouteServices, { response, kept, after }: Kept & { after: number }) {
  const endedAt = () => journal.findPrompt(kept.prompt.promptId)?.endedAt ?? now();
  return new ResponseEvents({ response, facts: factsOf(kept), after, endedAt });
}

/** Tells the listener the turn from its begin. To be called without a pause after the response was found. */
function follow(services: RouteServices, { response, kept, listener }: Kept & { listener: ChatListener }): void {
  const place = commands.placeOfTurn(services, kept);
  if (place) new PromptFollower({ services, accepted: kept, response, listener, place });
  else listener.onEnd(endOfPrompt(kept.prompt));
}

interface Asked {
  services: RouteServices;
  request: ResponseRequest;
  response: Response;
  prompt: ChatPrompt;
  /** The conversation that it continues or branches off. */
  place: NextPlace;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
  /** The turn has ended without an answer, of which nothing was sent. */
  answerWith: (error: CompanionError) => void;
}

function addCreateRoute(router: Router, services: RouteServices): void {
  const branches = new ResponseBranches();
  router.post('/', async (request: Request, response) => {
    const body = readBody('createResponse', request);
    const { previous_response_id: previous, session_id: sessionId } = body;
    const create = (place: NextPlace) => createIn(services, { request: body, response, place });
    if (!previous) return create({ ...(sessionId && { sessionId }) });
    await branches.next(services, { caller: promptCallerOf(response), previous }, create);
  });
}

async function createIn(
  services: RouteServices,
  { request, response, place }: Pick<Asked, 'request' | 'response' | 'place'>,
): Promise<void> {
  const { previous_response_id: previous, session_id: named } = request;
  const { sessionId } = place;
  const prompt = promptOf(request, Boolean(previous ?? named));
  await admitChat(services, { response, prompt, field: 'input', sessionId });
  const { signal } = new WaitingClient({ services, response, cut: true });
  await answered(response, (answerWith) => {
    const asked = { services, request, response, prompt, place, signal, answerWith };
    return request.store === false ? askUnkept(asked) : askKept(asked);
  });
}

/** In an empty folder of its own, of which nothing is kept. */
async function askUnkept({ services, request, response, prompt, signal, answerWith }: Asked): Promise<void> {
  const asked = askedOf(request);
  const facts = { id: commands.responseIdOf(nanoid() as PromptId), createdAt: services.now(), asked };
  const listener = listenerOf({ services, request, response, facts, endedAt: services.now, answerWith });
  const { userId: person } = requirePrincipal(response);
  await askAlone(services, { person, model: asked.model, prompt, listener, trace: traceOf(response), signal }).catch(
    (error: unknown) => {
      const failure = toCompanionError(error);
      if (response.headersSent) listener.onEnd({ subtype: failure.code, isError: true, finalResult: failure.message });
      else answerWith(failure);
    },
  );
}

/** As a prompt of the session that it continues, or of a new one. */
async function askKept(asked: Asked): Promise<void> {
  const { services, request, response, prompt, place } = asked;
  const { sessionId, branch } = place;
  const signal = request.background ? undefined : asked.signal;
  const caller = promptCallerOf(response);
  const facts = askedOf(request);
  const answer = commands.answerOf(facts);
  const text = textOf(prompt.parts);
  const followAccepted = (accepted: AcceptedPrompt) => answerAccepted(asked, { accepted, text });
  if (sessionId !== undefined) {
    await askInSession(services, { caller, sessionId, model: facts.model, prompt, signal, answer }, followAccepted);
    return;
  }
  const { system: context } = prompt;
  const changes = {
    ...(facts.model !== DEFAULT_MODEL && { modelChoice: facts.model }),
    ...(context !== undefined && { context }),
  };
  const begun = { caller, text, attachments: attachmentsOf(prompt.parts), changes, answer, ...(branch && { branch }) };
  const accepted = await replied<AcceptedPrompt>((reply) =>
    commands.beginConversation(services, begun, (known) => {
      followAccepted(known);
      reply(known);
    }),
  );
  cancelWhenGone(services, { caller, accepted, signal });
}

function answerAccepted(
  { services, request, response, answerWith }: Asked,
  { accepted, text }: { accepted: AcceptedPrompt; text: string },
): void {
  const { session, duplicate } = accepted;
  requireSamePrompt({ sessionId: session.id, text, accepted });
  if (duplicate) markReplayed(response);
  const kept = commands.findResponse(services, {
    caller: callerOf(response),
    id: commands.responseIdOf(accepted.prompt.promptId),
  });
  const facts = factsOf(kept);
  if (request.background && !request.stream) {
    response.json(openResponse(facts, 'queued'));
    return;
  }
  const endedAt = () => services.journal.findPrompt(kept.prompt.promptId)?.endedAt ?? services.now();
  const listener = listenerOf({ services, request, response, facts, endedAt, answerWith });
  follow(services, { response, kept, listener });
}

interface Listening extends Pick<Asked, 'services' | 'request' | 'response' | 'answerWith'> {
  facts: ResponseFacts;
  endedAt: () => number;
}

/** Answers with the response when it has ended, or with its events. */
function listenerOf({ services, request, response, facts, endedAt, answerWith }: Listening): ChatListener {
  if (request.stream) return new ResponseEvents({ response, facts, after: -1, endedAt });
  const answer = (end: ChatEnd, text: string) => {
    if (response.destroyed) return;
    const failure = failureOf(end, services.now());
    if (failure && end.subtype !== 'cancelled') answerWith(failure);
    else response.json(endedResponse(facts, { end, text, endedAt: endedAt() }));
  };
  return new WholeResponse(answer);
}
