import { createCompanionClient } from '../client/node-client.js';
import { CompanionError } from '../protocol/error-codes.js';
import { plainLine } from '../protocol/plain-text.js';
import type { WaitingPrompt, WaitingSession } from '../protocol/waiting.js';
import { type CommandContext, type Report, say } from './commands.js';
import { pick } from './read-text.js';
import { promptLine } from './waiting-command.js';
import { readWaiting, requireSession } from './waiting-sessions.js';

export interface CancelFlags {
  dir?: string;
  all?: boolean;
}

/**
 * Cancels a prompt: a waiting one never runs, and a running one is interrupted. Without an id it is the only prompt of
 * the directory's session, the one that the person picks, or with `all` each of them.
 */
export async function cancelCommand(
  context: CommandContext,
  promptId: string | undefined,
  flags: CancelFlags,
): Promise<Report> {
  if (promptId !== undefined) return cancel(context, [promptId]);
  const { sessionId, workingDirectory } = await requireSession(context.socketPath, flags.dir);
  const session = await readWaiting(context.socketPath, sessionId);
  const prompts = session?.prompts ?? [];
  const [first, second] = prompts;
  if (!session || !first) {
    throw new CompanionError('NOT_FOUND', `No prompt runs or waits in ${plainLine(workingDirectory, 500)}.`);
  }
  // Waiting ones first: the end of the running one would start the next.
  if (flags.all) return cancel(context, prompts.map((prompt) => prompt.promptId).reverse());
  const one = second ? await pickPrompt(context, session) : first;
  return cancel(context, [one.promptId]);
}

const pickPrompt = ({ io, hints }: CommandContext, { prompts }: WaitingSession): Promise<WaitingPrompt> =>
  pick({
    io,
    items: prompts,
    lineOf: promptLine,
    what: 'Prompt',
    otherwise: `${prompts.length} prompts run or wait. Name one (${hints.companion('waiting')}), or cancel all with --all.`,
  });

async function cancel({ socketPath }: CommandContext, promptIds: readonly string[]): Promise<Report> {
  const client = createCompanionClient({ socketPath });
  try {
    const cancelled = [];
    for (const promptId of promptIds) cancelled.push(await client.cancelPrompt({ promptId }));
    return say({ cancelled }, cancelled.map(lineOf).join('\n'));
  } finally {
    await client.close();
  }
}

const lineOf = ({ promptId, was }: { promptId: string; was: string }): string =>
  was === 'queued' ? `Cancelled ${plainLine(promptId, 100)}.` : `Interrupted ${plainLine(promptId, 100)}, which ran.`;
