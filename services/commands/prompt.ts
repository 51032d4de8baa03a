/** Prompts: sending, cancelling, and running one to its end. */
import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { PromptRecord } from '../ports/records.js';
import { offerPrompt } from '../sessions/new-prompt.js';
import { rememberedOptions } from '../sessions/remembered-grants.js';
import type { Reply, Session } from '../sessions/session.js';
import { type Caller, type CommandServices, type NamedDirectory, sessionOf } from './command-context.js';
import { startSession } from './start-session.js';

type PromptInput = Pick<ClientData<'streamSend'>, 'sessionId' | 'prompt' | 'attachments' | 'mode'>;

export interface AcceptedPrompt {
  session: Session;
  prompt: PromptRecord;
  /** The prompt was accepted before. */
  duplicate: boolean;
}

/** Sends a prompt to a session; `reply` is called when it is recorded, before any client sees an event of it. */
export async function sendPrompt(
  services: CommandServices,
  { caller, sessionId, prompt: text, attachments, mode }: PromptInput & { caller: Caller },
  reply: Reply<AcceptedPrompt>,
): Promise<void> {
  const session = sessionOf(services, caller, sessionId);
  await requireClaude(services, session, caller);
  const offered = offerPrompt({ ...caller, sessionId, text, attachments, mode, now: services.now() });
  await session.acceptPrompt(offered, (accepted) => reply({ session, ...accepted }));
}

/** Rejects when a prompt could not run; a prompt that was accepted before is not checked. */
async function requireClaude(
  { journal, launchers, requireRoom, workspace }: CommandServices,
  session: Session,
  { device, requestId }: Caller,
): Promise<void> {
  if (requestId !== null && (await journal.findRequest(device, requestId))) return;
  await launchers.of(device.userId).checkAvailable();
  const { record } = session.state;
  if (session.hasChild || record.closed) return;
  // A hibernating session can outlive its directory.
  if ((await workspace.identify(record.directory)) === undefined) {
    throw new CompanionError('PROJECT_NOT_FOUND', `The directory of the session is gone: ${record.directory}`, {
      field: 'sessionId',
      suggestion: 'Move it back, or start a session in its new path.',
    });
  }
  await requireRoom();
}

/** Cancels a prompt, or interrupts the turn it began. Rejects with `NOT_FOUND`. */
export async function cancelPrompt(
  { journal, registry }: CommandServices,
  { caller, promptId }: { caller: Caller; promptId: PromptId },
  reply: Reply<{ promptId: PromptId; was: string }>,
): Promise<void> {
  const prompt = await journal.findPrompt(promptId);
  const session = prompt && registry.find(prompt.sessionId);
  if (!session || session.owner !== caller.device.userId) {
    throw new CompanionError('NOT_FOUND', 'There is no such prompt.', { field: 'promptId' });
  }
  await session.cancelPrompt(promptId, ({ was }) => reply({ promptId, was }));
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
  return launcher.isShadowed(command, { workingDirectory: record.directory, addDirectories });
}
