import { CompanionError } from '../protocol/error-codes.js';
import { plainText } from '../protocol/plain-text.js';
import { since } from './amounts.js';
import { ask } from './ask.js';
import { InterruptedError, NoDaemonError } from './cli-errors.js';
import { type CommandContext, newConversationOf, type Report, say } from './commands.js';
import { pick, readText } from './read-text.js';
import { directoryOf, readSessions } from './waiting-sessions.js';

export interface ChatFlags {
  model?: string;
  new?: boolean;
  keepRemembered?: boolean;
  yes?: boolean;
}

/** A conversation in a directory's session: one prompt after the other, until Ctrl-D. */
export async function chatCommand(
  context: CommandContext,
  directory: string | undefined,
  flags: ChatFlags,
): Promise<Report> {
  const { io } = context;
  if (!io.stdin.isTTY) {
    const suggestion = `For one prompt: ${context.hints.companion('ask "…"')}`;
    throw new CompanionError('INVALID_REQUEST', 'A conversation needs a terminal.', { suggestion });
  }
  const place = directoryOf(directory);
  io.stderr.write(`Conversation in ${plainText(place)}. Ctrl-C interrupts a turn, Ctrl-D ends.\n`);
  const history: string[] = [];
  let { isNew, keepRemembered } = newConversationOf(flags);
  for (;;) {
    const prompt = await nextPrompt(context, history);
    if (prompt === undefined) break;
    if (prompt.trim() === '') continue;
    history.unshift(prompt);
    const isTaken = await turn(context, { prompt, directory: place, isNew, keepRemembered, flags });
    if (isTaken) isNew = keepRemembered = false;
  }
  io.stderr.write('\n');
  return say({}, '');
}

/** Ctrl-C discards the typed text, as in a shell. */
async function nextPrompt({ io }: CommandContext, history: readonly string[]): Promise<string | undefined> {
  for (;;) {
    const dropped = new AbortController();
    const text = await readText({
      io,
      prompt: '\n» ',
      signal: dropped.signal,
      onInterrupt: () => dropped.abort(),
      history: [...history],
    });
    if (!dropped.signal.aborted) return text;
    io.stderr.write('\nCtrl-D ends the conversation.\n');
  }
}

interface ChatTurn {
  prompt: string;
  directory: string;
  isNew: boolean;
  keepRemembered: boolean;
  flags: ChatFlags;
}

/** Whether the prompt was accepted. A refused prompt or a failed turn does not end the conversation. */
async function turn(
  context: CommandContext,
  { prompt, directory, isNew, keepRemembered, flags }: ChatTurn,
): Promise<boolean> {
  const { io, socketPath, hints } = context;
  const hint = (command: string) => hints.companion(command);
  const { model, yes = false } = flags;
  try {
    const outcome = await ask({
      prompt,
      directory,
      isNew,
      keepRemembered,
      yes,
      quiet: false,
      socketPath,
      io,
      hint,
      ...(model !== undefined && { model }),
    });
    if (outcome.isError && !outcome.interrupted) io.stderr.write(`The turn failed: ${plainText(outcome.subtype)}.\n`);
    return true;
  } catch (error) {
    if (error instanceof NoDaemonError) throw error;
    if (error instanceof InterruptedError && error.exitCode !== INTERRUPT_EXIT_CODE) throw error;
    if (!(error instanceof CompanionError || error instanceof InterruptedError)) throw error;
    io.stderr.write(`${plainText(error.message)}\n`);
    return false;
  }
}

/** The exit code of Ctrl-C, which ends a turn and not the conversation. */
const INTERRUPT_EXIT_CODE = 130;

/** Lets a person pick a session, and continues its conversation. */
export async function resumeCommand(context: CommandContext, flags: ChatFlags): Promise<Report> {
  const sessions = await readSessions(context.socketPath);
  if (sessions.length === 0) {
    throw new CompanionError('NOT_FOUND', 'There are no sessions yet.', {
      suggestion: `Begin one: ${context.hints.companion('chat DIR')}`,
    });
  }
  const session = await pick({
    io: context.io,
    items: sessions,
    lineOf: ({ workingDirectory, sessionName, status, lastActivity }) =>
      `${workingDirectory}${sessionName === undefined ? '' : ` "${sessionName}"`} (${status}, ${since(lastActivity)} ago)`,
    what: 'Session',
    otherwise: `Name its folder: ${context.hints.companion('chat DIR')}`,
  });
  return chatCommand(context, session.workingDirectory, flags);
}
