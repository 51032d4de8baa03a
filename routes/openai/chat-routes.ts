import { type Request, type Response, Router } from 'express';
import type { ChatRequest } from '../../protocol/openai.js';
import type { SessionId } from '../../protocol/scalars.js';
import { toCompanionError } from '../http/http-errors.js';
import { promptCallerOf, readBody, requirePrincipal, traceOf } from '../http/request-context.js';
import { WaitingClient } from '../http/waiting-client.js';
import type { RouteServices } from '../route-services.js';
import { admitChat } from './admit-chat.js';
import { answered } from './answered.js';
import { askAlone, askInSession } from './ask-claude.js';
import { ChatAnswer } from './chat-answer.js';
import { type ChatPrompt, continuedPrompt, wholePrompt } from './chat-prompt.js';
import { PromptFollower } from './session-chat.js';

interface Chat {
  services: RouteServices;
  request: ChatRequest;
  response: Response;
  prompt: ChatPrompt;
  answer: ChatAnswer;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
}

/** `/v1/chat/completions`. */
export function createChatRoutes(services: RouteServices): Router {
  const router = Router();
  router.post('/completions', async (request: Request, response) => {
    const body = readBody('completeChat', request);
    const { session_id: sessionId, messages } = body;
    const prompt = sessionId ? continuedPrompt(messages) : wholePrompt(messages);
    await admitChat(services, { response, prompt, field: 'messages', sessionId });
    const { signal } = new WaitingClient({ services, response, cut: true });
    await answered(response, (answerWith) => {
      const answer = new ChatAnswer({ response, request: body, now: services.now, onFailure: answerWith });
      const chat = { services, request: body, response, prompt, answer, signal };
      return sessionId ? chatInSession(chat, sessionId) : chatAlone(chat);
    });
  });
  return router;
}

/** In an empty folder of its own. */
async function chatAlone({ services, request, response, prompt, answer, signal }: Chat): Promise<void> {
  const { userId: person } = requirePrincipal(response);
  await askAlone(services, {
    person,
    prompt,
    model: request.model,
    listener: answer,
    trace: traceOf(response),
    signal,
  }).catch((error: unknown) => {
    answer.fail(toCompanionError(error));
  });
}

/** As a prompt of a session, which goes on when others interrupt or answer it. */
async function chatInSession({ services, request, response, prompt, answer, signal }: Chat, sessionId: SessionId) {
  const caller = promptCallerOf(response);
  const { model } = request;
  await askInSession(services, { caller, sessionId, model, prompt, signal }, (accepted) => {
    new PromptFollower({ services, accepted, response, listener: answer });
  });
}
