import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { AnswerData } from '../../protocol/server-frames.js';
import { countOutside, requirePersonsBudget } from '../../services/commands/budgets.js';
import type { EndedTurn, TurnInput } from '../../services/commands/prompt.js';
import * as commands from '../../services/commands/prompt.js';
import { answer, answerError, callerOf, directoryOf, type RequestContext } from './request-context.js';

export async function streamSend(context: RequestContext, data: ClientData<'streamSend'>): Promise<void> {
  const { services } = context.connection;
  await commands.sendPrompt(services, { caller: callerOf(context), ...data }, ({ prompt, duplicate }) => {
    const { promptId, sessionId } = prompt;
    const position = Number(prompt.answer.position ?? 0);
    answer(context, 'promptAccepted', { promptId, sessionId, position, duplicate });
  });
}

export async function cancelPrompt(context: RequestContext, data: ClientData<'cancelPrompt'>): Promise<void> {
  const { services } = context.connection;
  await commands.cancelPrompt(services, { caller: callerOf(context), ...data }, (cancelled) =>
    answer(context, 'promptCancelled', cancelled),
  );
}

export async function editPrompt(context: RequestContext, data: ClientData<'editPrompt'>): Promise<void> {
  const { services } = context.connection;
  await commands.editPrompt(services, { caller: callerOf(context), ...data }, (edited) =>
    answer(context, 'editPrompt', edited),
  );
}

export async function movePrompt(context: RequestContext, data: ClientData<'movePrompt'>): Promise<void> {
  const { services } = context.connection;
  await commands.movePrompt(services, { caller: callerOf(context), ...data }, (moved) =>
    answer(context, 'movePrompt', moved),
  );
}

export async function clearQueue(context: RequestContext, data: ClientData<'clearQueue'>): Promise<void> {
  const { services } = context.connection;
  await commands.clearQueue(services, { caller: callerOf(context), ...data }, (cleared) =>
    answer(context, 'clearQueue', cleared),
  );
}

export async function continueQueue(context: RequestContext, data: ClientData<'continueQueue'>): Promise<void> {
  const { services } = context.connection;
  await commands.continueQueue(services, { caller: callerOf(context), ...data }, (continued) =>
    answer(context, 'continueQueue', continued),
  );
}

const runToEnd = (context: RequestContext, input: TurnInput, reply: (turn: EndedTurn) => void): Promise<void> =>
  commands.runTurn(
    context.connection.services,
    { caller: callerOf(context), ...input },
    { reply, fail: (error) => answerError(context, error) },
  );

export async function claudeCommand(context: RequestContext, data: ClientData<'claudeCommand'>): Promise<void> {
  const at = data.sessionId ?? directoryOf(context.connection, data.projectPath, 'projectPath');
  await runToEnd(context, { text: data.command, at }, (turn) => answer(context, 'claudeResponse', responseOf(turn)));
}

function responseOf({ session, ended: { outcome } }: EndedTurn): AnswerData<'claudeResponse'> {
  const { finalResult = '', isError = true, subtype = 'cancelled' } = outcome ?? {};
  return { content: finalResult, success: !isError, sessionId: session.id, ...(isError && { error: subtype }) };
}

const ASK_TIMEOUT_MS = 300_000;

/** Answered once the CLI has answered; other frames of the connection do not wait for it. */
export async function ask(context: RequestContext, data: ClientData<'ask'>): Promise<void> {
  const { prompt, workingDirectory, options } = data;
  const timeoutMs = options?.timeout ?? ASK_TIMEOUT_MS;
  if (workingDirectory === undefined) {
    const { services, principal, ended: asker } = context.connection;
    requirePersonsBudget(services, principal.userId);
    const response = await services.askRunner.ask({ person: principal.userId, prompt, timeoutMs, asker });
    const { usage, total_cost_usd: cost } = response;
    countOutside(services, principal.userId, { ...(usage && { usage }), ...(cost !== undefined && { cost }) });
    return answer(context, 'askResponse', { success: !response.is_error, response });
  }
  const timer = { fired: false, handle: undefined as NodeJS.Timeout | undefined };
  timer.handle = setTimeout(() => {
    timer.fired = true;
    answerError(context, new CompanionError('TIMEOUT', `The turn has not ended within ${timeoutMs} ms; it continues.`));
  }, timeoutMs);
  const at = directoryOf(context.connection, workingDirectory, 'workingDirectory');
  await runToEnd(context, { text: prompt, at }, (turn) => {
    clearTimeout(timer.handle);
    if (!timer.fired) answer(context, 'askResponse', askResponseOf(turn));
  }).catch((error: unknown) => {
    clearTimeout(timer.handle);
    throw error;
  });
}

function askResponseOf({ session, ended: { outcome } }: EndedTurn): AnswerData<'askResponse'> {
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
