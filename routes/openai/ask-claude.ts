/** Where a conversation of OpenAI's clients is held. */
import type { PatchSession } from '../../protocol/rest.js';
import type { SessionId } from '../../protocol/scalars.js';
import { countOutside, requirePersonsBudget } from '../../services/commands/budgets.js';
import type { Caller } from '../../services/commands/command-context.js';
import { type AcceptedPrompt, cancelPrompt, sendPrompt } from '../../services/commands/prompt.js';
import { changeSession } from '../../services/commands/session.js';
import type { ChatListener } from '../../services/ports/chat.js';
import type { UserId } from '../../services/ports/records.js';
import type { Session } from '../../services/sessions/session.js';
import { toCompanionError } from '../http/http-errors.js';
import { replied } from '../http/request-context.js';
import type { RouteServices } from '../route-services.js';
import { attachmentsOf, type ChatPrompt, textOf } from './chat-prompt.js';
import { traceChat } from './trace-chat.js';

/** A client that waits no longer leaves, which ends the turn as well. */
const TIMEOUT_MS = 3_600_000;

/** The model of a request that leaves it to the session, or to the CLI. */
export const DEFAULT_MODEL = 'default';

interface AskedAlone {
  person: UserId;
  model: string;
  prompt: ChatPrompt;
  listener: ChatListener;
  /** The `traceparent` of its request. */
  trace: string | undefined;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
}

/** In an empty folder of its own, of which nothing is kept. Rejects as `AskRunner.chat` and `requirePersonsBudget` do. */
export async function askAlone(services: RouteServices, asked: AskedAlone): Promise<void> {
  const { askRunner, metrics } = services;
  const { person, model: named, prompt, signal: asker } = asked;
  requirePersonsBudget(services, person);
  const spans = traceChat(services.tracing, asked);
  const listener: ChatListener = {
    onPiece: (piece) => {
      spans?.begun();
      asked.listener.onPiece(piece);
    },
    onEnd: (end) => {
      spans?.ended(end);
      metrics.spent(end);
      countOutside(services, person, end);
      asked.listener.onEnd(end);
    },
  };
  const content = prompt.parts.map((part) =>
    part.type === 'text' ? part : { ...part, data: Buffer.from(part.data, 'latin1') },
  );
  const model = named === DEFAULT_MODEL ? undefined : named;
  const { system } = prompt;
  const question = { person, timeoutMs: TIMEOUT_MS, asker, content, system, model, listener };
  await askRunner.chat(question).catch((error: unknown) => {
    spans?.failed(toCompanionError(error).code);
    throw error;
  });
}

export interface AskedInSession {
  caller: Caller;
  sessionId: SessionId;
  model: string;
  prompt: ChatPrompt;
  /** The prompt is cancelled, or its turn interrupted, when it is aborted; absent: it goes on. */
  signal?: AbortSignal | undefined;
  /** Fields of the prompt's first answer. */
  answer?: Record<string, unknown>;
}

/**
 * As a prompt of a session, which goes on when others interrupt or answer it. `follow` is called when it is recorded,
 * before it can begin.
 */
export async function askInSession(
  services: RouteServices,
  { signal, ...asked }: AskedInSession,
  follow: (accepted: AcceptedPrompt) => void,
): Promise<void> {
  const { caller, sessionId, prompt, answer } = asked;
  const session = services.registry.require(caller.device.userId, sessionId);
  const changes = changesOf(asked, session);
  if (Object.keys(changes).length > 0) {
    await replied<Session>((reply) => changeSession(services, { caller, sessionId, changes }, reply));
  }
  const text = { prompt: textOf(prompt.parts), attachments: attachmentsOf(prompt.parts) };
  const accepted = await replied<AcceptedPrompt>((reply) =>
    sendPrompt(services, { caller, sessionId, ...text, answer }, (known) => {
      follow(known);
      reply(known);
    }),
  );
  cancelWhenGone(services, { caller, accepted, signal });
}

/** Cancels a prompt, or interrupts its turn, when the signal is aborted. */
export function cancelWhenGone(
  services: RouteServices,
  { caller, accepted, signal }: { caller: Caller; accepted: AcceptedPrompt; signal: AbortSignal | undefined },
): void {
  const { promptId } = accepted.prompt;
  const leave = () => {
    // The turn has ended, or cannot be stopped now, and no client waits for the reason.
    replied((reply) => cancelPrompt(services, { caller, promptId }, reply)).catch(() => {});
  };
  if (signal?.aborted) leave();
  else signal?.addEventListener('abort', leave, { once: true });
}

/** What differs from what the session has. */
function changesOf({ model, prompt }: AskedInSession, { state: { record } }: Session): PatchSession {
  const known = [DEFAULT_MODEL, record.model, record.modelChoice];
  return {
    ...(!known.includes(model) && { model }),
    ...(prompt.system !== undefined && prompt.system !== record.context && { context: prompt.system }),
  };
}
