/** Prompts that the daemon sends by itself, for a person who has told it to. */
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { DeviceRef } from '../ports/records.js';
import type { Target } from '../ports/schedules.js';
import { type CommandServices, type NamedDirectory, sessionOf } from './command-context.js';
import { sendPrompt } from './prompt.js';
import { startSession } from './start-session.js';

export interface AutomaticPrompt {
  device: DeviceRef;
  /** With the device it makes the prompt run once. */
  requestId: string;
  /** The `traceparent` of what has caused it. */
  trace?: string | undefined;
  target: Target;
  prompt: string;
}

/** Where the prompt of a target goes, as the other commands know it. */
export const placeOf = (target: Target): SessionId | NamedDirectory =>
  'sessionId' in target ? target.sessionId : { path: target.workingDirectory, field: 'workingDirectory' };

/** Sends it as `sendPrompt` does, or to the session of its directory as `startSession` does. Rejects as they do. */
export function sendAutomatic(
  services: CommandServices,
  { target, prompt, ...caller }: AutomaticPrompt,
): Promise<{ sessionId: SessionId; promptId: PromptId }> {
  return new Promise((resolve, reject) => {
    const took = ({
      session,
      prompt: taken,
    }: {
      session: { id: SessionId };
      prompt?: { promptId: PromptId } | undefined;
    }) => {
      if (taken) resolve({ sessionId: session.id, promptId: taken.promptId });
      else reject(new Error('a prompt that is not empty was not taken'));
    };
    const place = placeOf(target);
    const sent =
      typeof place === 'string'
        ? sendPrompt(services, { caller, sessionId: place, prompt }, took)
        : startSession(services, { caller, directory: place, prompt, options: {} }, took);
    sent.catch(reject);
  });
}

/**
 * The target that a client has named: a session of its own, or an allowed directory. Rejects with `SESSION_NOT_FOUND`,
 * `PROJECT_NOT_FOUND` and `PERMISSION_DENIED`.
 */
export async function requireTarget(
  services: Pick<CommandServices, 'registry' | 'workspace'>,
  device: DeviceRef,
  named: { sessionId?: SessionId | undefined; workingDirectory?: string | undefined; base: string },
): Promise<Target> {
  const { sessionId, workingDirectory = '', base } = named;
  if (sessionId !== undefined) return { sessionId: sessionOf(services, { device }, sessionId).id };
  const { path } = await services.workspace.resolveDirectory(workingDirectory, { field: 'workingDirectory', base });
  return { workingDirectory: path };
}
