/** Prompts: sending, cancelling, and running one to its end. */
import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { Queue } from '../../protocol/rest.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { Guarded } from '../model/guard.js';
import type { PromptRecord } from '../ports/records.js';
import { rememberedOptions } from '../sessions/machine/remembered-grants.js';
import { sessionStatusOf } from '../sessions/machine/session-state.js';
import { offerPrompt } from '../sessions/new-prompt.js';
import type { Reply, Session } from '../sessions/session.js';
import { type Caller, type CommandServices, type NamedDirectory, sessionOf } from './command-context.js';
import { requireNoCircle } from './prompt-chain.js';
import { startSession } from './start-session.js';

type PromptInput = Pick<ClientData<'streamSend'>, 'sessionId' | 'prompt' | 'attachments' | 'mode'> & {
  allowedTools?: readonly string[] | undefined;
  /** Fields of the prompt's first answer, besides those that it always has. */
  answer?: Record<string, unknown> | undefined;
  /** The sessions of the agents through which it comes. */
  via?: readonly SessionId[] | undefined;
};

export interface AcceptedPrompt {
  session: Session;
  prompt: PromptRecord;
  /** The prompt was accepted before. */
  duplicate: boolean;
}

/**
 * Sends a prompt to a session; `reply` is called when it is recorded, before any client sees an event of it. Rejects
 * with `CONFLICT` when the session is one of those it comes through.
 */
export async function sendPrompt(
  services: CommandServices,
  { caller, sessionId, prompt: text, ...given }: PromptInput & { caller: Caller },
  reply: Reply<AcceptedPrompt>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  requireNoCircle(given.via, sessionId);
  await requireClaude(services, session, caller);
  const { attachments, mode, allowedTools, via, answer = {} } = given;
  const content = { text, attachments, mode, allowedTools, via, answer };
  const offered = offerPrompt({ ...caller, sessionId, ...content, now: services.now() });
  await session.acceptPrompt(offered, (accepted) => reply({ session, ...accepted }));
}

interface Sent {
  sessionId: SessionId;
  text: string;
  accepted: AcceptedPrompt;
}

/** Text that the record keeps of every prompt, in UTF-16 units. */
const KEPT_TEXT = 1000;

/**
 * Throws `CONFLICT` when the request id of a prompt belongs to another one: a device can have used it elsewhere, or so
 * long ago that only the prompt is left of it.
 */
export function requireSamePrompt({ sessionId, text, accepted: { prompt, duplicate } }: Sent): void {
  if (!duplicate || (prompt.sessionId === sessionId && isTextOf(prompt, text))) return;
  const [field, rule] = ['Idempotency-Key', 'must be a new key: this one is the request id of another prompt'];
  throw new CompanionError('CONFLICT', `${field}: ${rule}`, { field, rule });
}

/** A person can have edited a prompt that waited: an edited one is compared as well as it can be. */
const isTextOf = ({ text }: PromptRecord, sent: string): boolean =>
  text.length >= KEPT_TEXT ? sent.startsWith(text) : sent === text;

/** Resolves with whether the turn of a prompt has ended in time. Rejects when the session is purged. */
export async function hasEnded(
  { session, promptId }: { session: Session; promptId: PromptId },
  { withinMs, signal }: { withinMs: number; signal: AbortSignal },
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, withinMs, false);
    signal.addEventListener('abort', () => resolve(false), { once: true });
  });
  const ended = session.outcome(promptId).then(() => true);
  return Promise.race([ended, late]).finally(() => clearTimeout(timer));
}

/** Rejects when a prompt could not run; a prompt that was accepted before is not checked. */
async function requireClaude(
  { journal, launchers, requireRoom, workspace }: CommandServices,
  session: Session,
  { device, requestId }: Caller,
): Promise<void> {
  const isKnown = () => requestId !== null && journal.findRequest(device, requestId) !== undefined;
  try {
    await launchers.of(device.userId).checkAvailable();
  } catch (error) {
    if (isKnown()) return;
    throw error;
  }
  const { record } = session.state;
  if (session.hasChild || record.closed || isKnown()) return;
  // A hibernating session can outlive its directory.
  if ((await workspace.identify(record.directory)) === undefined) {
    throw new CompanionError('PROJECT_NOT_FOUND', `The directory of the session is gone: ${record.directory}`, {
      field: 'sessionId',
      suggestion: 'Move it back, or start a session in its new path.',
    });
  }
  await requireRoom();
}

interface OfPrompt {
  caller: Pick<Caller, 'device'>;
  promptId: PromptId;
}

/** The session of a prompt of the caller. Throws `NOT_FOUND`. */
export function sessionOfPrompt({ journal, registry }: CommandServices, { caller, promptId }: OfPrompt): Session {
  const prompt = journal.findPrompt(promptId);
  const session = prompt && registry.find(prompt.sessionId);
  if (session?.owner === caller.device.userId) return session;
  throw new CompanionError('NOT_FOUND', 'There is no such prompt.', { field: 'promptId' });
}

/** The same where the client also names the session. Rejects with `INVALID_REQUEST` when it is another one. */
export function requirePromptOf(services: CommandServices, of: OfPrompt & { sessionId: SessionId }): Session {
  const session = sessionOf(services, of.caller, of.sessionId);
  if (sessionOfPrompt(services, of) === session) return session;
  throw invalid('promptId', 'must be a prompt of the session');
}

/** Cancels a prompt, or interrupts the turn it began. Rejects with `NOT_FOUND`. */
export async function cancelPrompt(
  services: CommandServices,
  { caller, promptId, guard }: OfPrompt & Guarded,
  reply: Reply<{ promptId: PromptId; was: string }>,
): Promise<void> {
  const session = sessionOfPrompt(services, { caller, promptId });
  await session.cancelPrompt({ promptId, guard }, ({ was }) => reply({ promptId, was }));
}

/** Replaces the text of a prompt that waits. Rejects with `NOT_FOUND`, and with `CONFLICT` when it has begun. */
export async function editPrompt(
  services: CommandServices,
  { caller, promptId, prompt: text, guard }: OfPrompt & Guarded & { prompt: string },
  reply: Reply<{ promptId: PromptId; sessionId: SessionId }>,
): Promise<void> {
  const session = sessionOfPrompt(services, { caller, promptId });
  await session.editPrompt({ promptId, text, guard }, () => reply({ promptId, sessionId: session.id }));
}

/** Moves a prompt that waits before another one, or to the end. Rejects as `editPrompt` does. */
export async function movePrompt(
  services: CommandServices,
  { caller, promptId, before }: OfPrompt & { before?: PromptId | undefined },
  reply: Reply<{ promptId: PromptId; sessionId: SessionId; position: number }>,
): Promise<void> {
  const session = sessionOfPrompt(services, { caller, promptId });
  await session.movePrompt({ promptId, before }, ({ position }) =>
    reply({ promptId, sessionId: session.id, position }),
  );
}

interface OfQueue {
  caller: Caller;
  sessionId: SessionId;
}

/** The prompts that wait, in running order. */
export function readQueue(services: CommandServices, { caller, sessionId }: OfQueue): Queue {
  const { queue = [], queueDepth, queueHeld = false } = sessionStatusOf(sessionOf(services, caller, sessionId).state);
  return { sessionId, queue, queueDepth, held: queueHeld };
}

/** Drops the prompts that wait, while the running turn goes on. */
export async function clearQueue(
  services: CommandServices,
  { caller, sessionId }: OfQueue,
  reply: Reply<{ sessionId: SessionId; cancelled: PromptId[] }>,
): Promise<void> {
  await sessionOf(services, caller, sessionId).clearQueue(({ cancelled }) => reply({ sessionId, cancelled }));
}

/** Lets the prompts run that `interrupt` has held. */
export async function continueQueue(
  services: CommandServices,
  { caller, sessionId }: OfQueue,
  reply: Reply<{ sessionId: SessionId; queueDepth: number }>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  await session.continueQueue(({ waited: queueDepth }) => reply({ sessionId, queueDepth }));
}

export interface EndedTurn {
  session: Session;
  ended: PromptRecord;
}

export interface TurnInput {
  text: string;
  /** The session, or the directory of the session. */
  at: SessionId | NamedDirectory;
}

/**
 * Runs a prompt to the end of its turn. Resolves when it is accepted; calls `reply` when its turn has ended, and `fail`
 * when the end cannot be determined.
 */
export async function runTurn(
  services: CommandServices,
  { caller, text, at }: TurnInput & { caller: Caller },
  { reply, fail }: { reply: Reply<EndedTurn>; fail: (error: unknown) => void },
): Promise<void> {
  const follow = (session: Session, prompt: PromptRecord) => {
    const ended = prompt.endedAt === undefined ? session.outcome(prompt.promptId) : Promise.resolve(prompt);
    ended.then((record) => reply({ session, ended: record })).catch(fail);
  };
  if (typeof at === 'string') {
    const input = { caller, sessionId: at, prompt: text };
    return sendPrompt(services, input, ({ session, prompt }) => follow(session, prompt));
  }
  const input = { caller, directory: at, prompt: text, options: {} };
  await startSession(services, input, ({ session, prompt }) => {
    if (prompt) follow(session, prompt);
  });
}

/** Whether a definition in a session or directory shadows this command of the CLI. Rejects like `resolveDirectory`. */
export async function isShadowed(
  services: CommandServices,
  { caller, command, at }: { caller: Pick<Caller, 'device'>; command: string; at: SessionId | NamedDirectory },
): Promise<boolean> {
  const launcher = services.launchers.of(caller.device.userId);
  if (typeof at !== 'string') {
    const { path: workingDirectory } = await services.workspace.resolveDirectory(at.path, at);
    return launcher.isShadowed(command, { workingDirectory, addDirectories: [] });
  }
  const { record } = sessionOf(services, caller, at).state;
  const { addDirectories } = rememberedOptions(record.remembered ?? []);
  const directories = [...addDirectories, ...(record.addedDirectories ?? [])];
  return launcher.isShadowed(command, { workingDirectory: record.directory, addDirectories: directories });
}
