/**
 * Questions that the child of a session answers beside its turns. They wait for a child that is being started, and
 * reject with `CONFLICT` without one, or as `ClaudeChild.ask` does.
 */
import type { ClientData } from '../../protocol/client-frames.js';
import type { AnswerData } from '../../protocol/server-frames.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';

type Input<T extends 'sessionCapabilities' | 'suggestFiles' | 'contextUsage' | 'sideQuestion'> = ClientData<T> & {
  caller: Caller;
};

/** The commands, agents, models and output styles of the session. */
export async function readCapabilities(
  services: CommandServices,
  { caller, sessionId }: Input<'sessionCapabilities'>,
): Promise<AnswerData<'sessionCapabilities'>> {
  const child = await sessionOf(services, caller, sessionId).runningChild();
  return { sessionId, ...(await child.questions.capabilities()) };
}

/** Paths in the directory of the session that match a part of one, best first. */
export async function suggestFiles(
  services: CommandServices,
  { caller, sessionId, query }: Input<'suggestFiles'>,
): Promise<AnswerData<'suggestFiles'>> {
  const child = await sessionOf(services, caller, sessionId).runningChild();
  return { sessionId, files: await child.questions.suggestFiles(query) };
}

/** What fills the context window. Calls no API where the CLI can estimate it (not 2.1.197). */
export async function readContextUsage(
  services: CommandServices,
  { caller, sessionId }: Input<'contextUsage'>,
): Promise<AnswerData<'contextUsage'>> {
  const child = await sessionOf(services, caller, sessionId).runningChild();
  return { sessionId, ...(await child.questions.contextUsage()) };
}

/**
 * Claude's answer to a question that sees the conversation, uses no tools and leaves no trace in it. Also during a
 * turn, which it does not disturb. Rejects with `TIMEOUT` after 5 min.
 */
export async function askBeside(
  services: CommandServices,
  { caller, sessionId, question }: Input<'sideQuestion'>,
): Promise<AnswerData<'sideQuestion'>> {
  const child = await sessionOf(services, caller, sessionId).runningChild();
  return { sessionId, answer: await child.questions.askBeside(question) };
}
