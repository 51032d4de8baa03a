import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { AnswerData } from '../../protocol/server-frames.js';
import type { PromptRecord } from '../../services/ports/records.js';
import { offerPrompt } from '../../services/sessions/new-prompt.js';
import type { Session } from '../../services/sessions/session.js';
import { answer, answerError, type RequestContext } from './request-context.js';
import { directoryOf, sessionOf } from './session-frames.js';

export async function streamSend(context: RequestContext, data: ClientData<'streamSend'>): Promise<void> {
  const { connection, requestId } = context;
  const { services, device } = connection;
  const { sessionId, prompt: text, attachments, mode } = data;
  const session = sessionOf(connection, sessionId);
  await services.starter.requireClaude({ session, device, requestId });
  const offered = offerPrompt({ sessionId, device, requestId, text, attachments, mode, now: services.now() });
  await session.acceptPrompt(offered, ({ prompt: accepted, duplicate }) => {
    const position = Number(accepted.answer.position ?? 0);
    answer(context, 'promptAccepted', {
      promptId: accepted.promptId,
      sessionId: accepted.sessionId,
      position,
      duplicate,
    });
  });
}

export async function cancelPrompt(context: RequestContext, { promptId }: ClientData<'cancelPrompt'>): Promise<void> {
  const { registry, journal } = context.connection.services;
  const prompt = await journal.findPrompt(promptId);
  const session = prompt && registry.find(prompt.sessionId);
  if (!session || session.owner !== context.connection.principal.userId) {
    throw new CompanionError('NOT_FOUND', 'There is no such prompt.', { field: 'promptId' });
  }
  await session.cancelPrompt(promptId, ({ was }) => answer(context, 'promptCancelled', { promptId, was }));
}

interface Turn {
  session: Session;
  ended: PromptRecord;
}

interface TurnRequest {
  text: string;
  path: string;
  field: string;
}

/** Runs a prompt in a directory's session; `onEnd` is called when its turn is over. Resolves when it is accepted. */
async function runTurn(
  context: RequestContext,
  { text, path, field }: TurnRequest,
  onEnd: (turn: Turn) => void,
): Promise<void> {
  const { connection, requestId } = context;
  const { services, device } = connection;
  const request = { device, requestId, directory: directoryOf(connection, path, field), prompt: text, options: {} };
  await services.starter.start(request, ({ session, prompt }) => {
    if (prompt) waitForEnd(context, session, prompt, onEnd);
  });
}

function waitForEnd(
  context: RequestContext,
  session: Session,
  prompt: PromptRecord,
  onEnd: (turn: Turn) => void,
): void {
  const ended = prompt.endedAt === undefined ? session.outcome(prompt.promptId) : Promise.resolve(prompt);
  ended.then((record) => onEnd({ session, ended: record })).catch((error: unknown) => answerError(context, error));
}

export async function claudeCommand(context: RequestContext, data: ClientData<'claudeCommand'>): Promise<void> {
  const { connection } = context;
  const say = ({ session, ended }: Turn) => answer(context, 'claudeResponse', responseOf(session, ended));
  if (data.sessionId === undefined) {
    return runTurn(context, { text: data.command, path: data.projectPath, field: 'projectPath' }, say);
  }
  const { services, device } = connection;
  const session = sessionOf(connection, data.sessionId);
  const { requestId } = context;
  await services.starter.requireClaude({ session, device, requestId });
  const offered = offerPrompt({ sessionId: session.id, device, requestId, text: data.command, now: services.now() });
  await session.acceptPrompt(offered, ({ prompt: accepted }) => waitForEnd(context, session, accepted, say));
}

function responseOf(session: Session, { outcome }: PromptRecord): AnswerData<'claudeResponse'> {
  const { finalResult = '', isError = true, subtype = 'cancelled' } = outcome ?? {};
  return { content: finalResult, success: !isError, sessionId: session.id, ...(isError && { error: subtype }) };
}

const ASK_TIMEOUT_MS = 300_000;

/** Answered when the answer is there; other frames of the connection do not wait for it. */
export async function ask(context: RequestContext, data: ClientData<'ask'>): Promise<void> {
  const { prompt, workingDirectory, options } = data;
  const timeoutMs = options?.timeout ?? ASK_TIMEOUT_MS;
  if (workingDirectory === undefined) {
    const { services, principal, ended: asker } = context.connection;
    const response = await services.askRunner.ask({ person: principal.userId, prompt, timeoutMs, asker });
    return answer(context, 'askResponse', { success: !response.is_error, response });
  }
  const timer = { fired: false, handle: undefined as NodeJS.Timeout | undefined };
  timer.handle = setTimeout(() => {
    timer.fired = true;
    answerError(context, new CompanionError('TIMEOUT', `No answer within ${timeoutMs} ms; the turn goes on.`));
  }, timeoutMs);
  const request = { text: prompt, path: workingDirectory, field: 'workingDirectory' };
  await runTurn(context, request, (turn) => {
    clearTimeout(timer.handle);
    if (!timer.fired) answer(context, 'askResponse', askResponseOf(turn));
  }).catch((error: unknown) => {
    clearTimeout(timer.handle);
    throw error;
  });
}

function askResponseOf({ session, ended: { outcome } }: Turn): AnswerData<'askResponse'> {
  if (!outcome) return { success: false, error: 'cancelled' };
  const { subtype, isError, finalResult, durationMs, numTurns, cost, usage } = outcome;
  return {
    success: !isError,
    response: {
      type: 'result',
      subtype,
      is_error: isError,
      duration_ms: durationMs,
      num_turns: numTurns,
      result: finalResult,
      session_id: session.state.record.claudeSessionId ?? session.id,
      ...(cost !== undefined && { total_cost_usd: cost }),
      ...(usage && { usage }),
    },
  };
}
