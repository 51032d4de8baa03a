import { plainLine } from '../protocol/plain-text.js';
import { type WaitingPrompt, type WaitingSession, waitingSchema } from '../protocol/waiting.js';
import { since } from './amounts.js';
import { type CommandContext, get, type Report, say } from './commands.js';

/** Lists open requests, and the prompts that run or wait, of all sessions. */
export async function waitingCommand(context: CommandContext): Promise<Report> {
  const answer = await get(context, '/api/waiting');
  const { sessions } = waitingSchema.parse(answer);
  if (sessions.length === 0) return say(answer, 'Nothing waits.');
  return say(answer, sessions.map((session) => linesOf(session, context).join('\n')).join('\n\n'));
}

function linesOf(session: WaitingSession, { hints }: CommandContext): string[] {
  const { workingDirectory, permissions, prompts, promptCount } = session;
  const more = promptCount - prompts.length;
  return [
    plainLine(workingDirectory, 500),
    ...permissions.flatMap(({ permissionId, prompt, askedAt }) => [
      `  asks since ${since(askedAt)}: ${plainLine(prompt, 200)}`,
      `    answer: ${hints.companion(`answer ${plainLine(permissionId, 200)}`)}`,
    ]),
    ...prompts.flatMap((prompt) => [
      `  ${promptLine(prompt)}`,
      `    cancel: ${hints.companion(`cancel ${plainLine(prompt.promptId, 200)}`)}`,
    ]),
    ...(more > 0 ? [`  … and ${more} more prompts`] : []),
  ];
}

/**
 * A prompt in one line: whether it runs or waits, its first words, when it was sent and whether its sender is
 * connected.
 */
export function promptLine({ state, text, sentAt, deviceConnected }: WaitingPrompt): string {
  const sender = deviceConnected ? '' : ', sender not connected';
  return `${state === 'running' ? 'runs' : 'waits'}: “${plainLine(text, 60)}” (sent ${since(sentAt)} ago${sender})`;
}
