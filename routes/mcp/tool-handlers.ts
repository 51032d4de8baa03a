import { CompanionError } from '../../protocol/error-codes.js';
import type { McpInput, McpOutput, McpToolName } from '../../protocol/mcp-tools.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import { listMessages } from '../../services/commands/history.js';
import { listSessions } from '../../services/commands/list-sessions.js';
import * as commands from '../../services/commands/prompt.js';
import { chainThrough, requireNoCircle } from '../../services/commands/prompt-chain.js';
import { showPrompt } from '../../services/commands/prompt-list.js';
import { answerPermission, requireNotifiable } from '../../services/commands/session.js';
import { type StartedSession, startSession } from '../../services/commands/start-session.js';
import type { PermissionRecord } from '../../services/ports/records.js';
import { unmeasuredView } from '../../services/sessions/session-view.js';
import { callerOf, replied } from '../http/request-context.js';
import { WaitingClient } from '../http/waiting-client.js';
import { listPlaces } from '../rest/project-routes.js';
import { search } from '../rest/search-routes.js';
import { directoryOf } from '../rest/session-routes.js';
import { listWaiting } from '../rest/waiting-routes.js';
import { findCallingSession } from './calling-session.js';
import type { ToolCall } from './mcp-context.js';
import { TurnProgress } from './turn-progress.js';
import { waitForEnd } from './wait-for-end.js';

type Handlers = { [Name in McpToolName]: (call: ToolCall, input: McpInput<Name>) => Promise<McpOutput<Name>> };

/** What the tools do. Scope, limits and audit are checked before. */
export const TOOL_HANDLERS: Handlers = {
  list_sessions: ({ services, response }, query) => listSessions(services, { caller: callerOf(response), ...query }),
  list_projects: ({ services, response }, query) => listPlaces(services, { caller: callerOf(response), ...query }),
  list_waiting: async ({ services, response }, query) =>
    listWaiting(services, { caller: callerOf(response), ...query }),

  start_session: async ({ services, response }, options) => {
    const directory = directoryOf(options, services.firstRoot);
    const input = { caller: callerOf(response), directory, prompt: '', options, optionsField: '' };
    const { session, answer } = await replied<StartedSession>((reply) => startSession(services, input, reply));
    return { ...unmeasuredView(session), reused: answer.reused };
  },

  send_prompt: sendPrompt,
  wait_for_prompt: waitForPrompt,

  cancel_prompt: async ({ services, response }, named) => {
    const of = { caller: callerOf(response), ...named };
    commands.requirePromptOf(services, of);
    return replied<{ promptId: PromptId; was: string }>((reply) => commands.cancelPrompt(services, of, reply));
  },

  read_history: async ({ services, response }, { sessionId, ...range }) => {
    const { before, after, cursor, offset } = range;
    const isPlaced = [before, after, cursor, offset].some((place) => place !== undefined);
    const place = isPlaced ? range : { ...range, before: NEWEST };
    return listMessages(services, { caller: callerOf(response), sessionId, ...place });
  },

  search: ({ services, response }, query) => search(services, { caller: callerOf(response), query }),

  answer: answerRequest,
};

/** A place behind all messages. */
const NEWEST = Number.MAX_SAFE_INTEGER;

async function sendPrompt(call: ToolCall, asked: McpInput<'send_prompt'>): Promise<McpOutput<'send_prompt'>> {
  const { services, response } = call;
  const { requestId = null, wait, timeoutMs, ...sent } = asked;
  const { sessionId } = sent;
  const from = await findCallingSession(call);
  const via = from && chainThrough(services, from);
  requireNoCircle(via, sessionId);
  const endWait = wait ? services.agentWaits.begin(from?.id, sessionId) : undefined;
  try {
    const { signal } = wait ? new WaitingClient({ services, response, cut: false }) : {};
    const input = { caller: { ...callerOf(response), requestId }, ...sent, via };
    let progress: TurnProgress | undefined;
    const accepted = await replied<commands.AcceptedPrompt>((reply) =>
      commands.sendPrompt(services, input, (known) => {
        // Before anything of its turn is published.
        if (wait) progress = TurnProgress.open(call, known);
        reply(known);
      }),
    );
    commands.requireSamePrompt({ sessionId, text: sent.prompt, accepted });
    if (signal) await waitForEnd(call, { accepted, progress, signal, timeoutMs });
    return showPrompt(services, { ...input, promptId: accepted.prompt.promptId });
  } finally {
    endWait?.();
  }
}

async function waitForPrompt(
  call: ToolCall,
  { timeoutMs, ...named }: McpInput<'wait_for_prompt'>,
): Promise<McpOutput<'wait_for_prompt'>> {
  const { services, response } = call;
  const of = { caller: callerOf(response), ...named };
  const session = commands.requirePromptOf(services, of);
  const prompt = services.journal.findPrompt(of.promptId);
  if (prompt?.endedAt === undefined && prompt) {
    const endWait = services.agentWaits.begin((await findCallingSession(call))?.id, session.id);
    try {
      const { signal } = new WaitingClient({ services, response, cut: false });
      const accepted = { session, prompt, duplicate: true };
      await waitForEnd(call, { accepted, progress: TurnProgress.open(call, accepted), signal, timeoutMs });
    } finally {
      endWait();
    }
  }
  return showPrompt(services, of);
}

/** As with a tap on a notification: once, and not what a person must see in the session. */
async function answerRequest(call: ToolCall, answer: McpInput<'answer'>): Promise<McpOutput<'answer'>> {
  const { services, response } = call;
  const caller = callerOf(response);
  services.registry.require(caller.device.userId, answer.sessionId);
  const from = await findCallingSession(call);
  if (from) requireOther(chainThrough(services, from), answer.sessionId);
  requireNotifiable(services, answer);
  const input = { caller, ...answer, remember: false, inOneTap: true };
  const { permissionId, decision = 'deny' } = await replied<PermissionRecord>((reply) =>
    answerPermission(services, input, reply),
  );
  return { permissionId, decision: decision === 'allow' ? 'allow' : 'deny' };
}

/** An agent must not permit itself what it has to ask for, neither by the agents that it prompts. */
function requireOther(chain: readonly SessionId[], sessionId: SessionId): void {
  if (!chain.includes(sessionId)) return;
  const rule = 'must be another session: an agent cannot answer for those who have prompted it, or itself';
  throw new CompanionError('PERMISSION_DENIED', `sessionId: ${rule}`, { field: 'sessionId', rule });
}
