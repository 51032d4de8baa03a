import { CompanionError } from '../protocol/error-codes.js';
import { plainLine } from '../protocol/plain-text.js';
import { type Queue, queueSchema } from '../protocol/rest.js';
import { ANSWERS } from '../protocol/server-frames.js';
import { type CommandContext, get, post, type Report, say } from './commands.js';
import { askDaemon } from './local-daemon.js';
import { readPrompt } from './read-prompt.js';
import { textTable } from './tables.js';
import { readWaitingOf, requireSession } from './waiting-sessions.js';

export interface DirectoryFlags {
  dir?: string;
}

const pathOf = (sessionId: string, rest: string): string => `/api/sessions/${encodeURIComponent(sessionId)}/${rest}`;

const promptPath = (sessionId: string, promptId: string): string =>
  pathOf(sessionId, `prompts/${encodeURIComponent(promptId)}`);

/** Lists the prompts that wait in a folder's session, in running order. */
export async function queueCommand(context: CommandContext, { dir }: DirectoryFlags): Promise<Report> {
  const { sessionId } = await requireSession(context.socketPath, dir);
  const answer = await get(context, pathOf(sessionId, 'queue'));
  return say(answer, queueText(queueSchema.parse(answer), context));
}

const HEADINGS = ['PROMPT', 'MODE', 'DEVICE', 'TEXT'];

function queueText({ queue, queueDepth, held }: Queue, { hints }: CommandContext): string {
  if (queueDepth === 0) return 'No prompt waits.';
  const rows = queue.map(({ promptId, mode, deviceId, text }) => [promptId, mode, deviceId, plainLine(text, 60)]);
  const more = queueDepth - queue.length;
  return [
    textTable([HEADINGS, ...rows]),
    ...(more > 0 ? [`… and ${more} more`] : []),
    ...(held ? [`They are held: nothing starts before ${hints.companion('queue continue')}`] : []),
  ].join('\n');
}

/** Replaces the text of a prompt that waits. */
export async function editPromptCommand(context: CommandContext, promptId: string, typed: string): Promise<Report> {
  const { socketPath, io } = context;
  const sessionId = await sessionOf(context, promptId);
  const body = { prompt: await readPrompt({ typed, io }) };
  const answer = await askDaemon({ socketPath, method: 'PATCH', path: promptPath(sessionId, promptId), body });
  return say(answer, `Changed ${plainLine(promptId, 100)}.`);
}

/** Moves a prompt that waits before another one, or to the end. */
export async function movePromptCommand(
  context: CommandContext,
  promptId: string,
  { before }: { before?: string },
): Promise<Report> {
  const sessionId = await sessionOf(context, promptId);
  const path = `${promptPath(sessionId, promptId)}/move`;
  const answer = await post(context, { path, body: { ...(before !== undefined && { before }) } });
  const { position } = ANSWERS.movePrompt.parse(answer);
  return say(answer, `Moved ${plainLine(promptId, 100)}: ${countOf(position, 'prompt')} ahead of it.`);
}

/** Drops the prompts that wait; the one that runs goes on. */
export async function clearQueueCommand({ socketPath }: CommandContext, { dir }: DirectoryFlags): Promise<Report> {
  const { sessionId } = await requireSession(socketPath, dir);
  const answer = await askDaemon({ socketPath, method: 'DELETE', path: pathOf(sessionId, 'queue') });
  return say(answer, `Dropped ${countOf(ANSWERS.clearQueue.parse(answer).cancelled.length, 'prompt')}.`);
}

/** Stops the turn, and keeps what waits from starting. */
export async function holdQueueCommand(context: CommandContext, { dir }: DirectoryFlags): Promise<Report> {
  const { sessionId } = await requireSession(context.socketPath, dir);
  const answer = await post(context, { path: pathOf(sessionId, 'interrupt') });
  const { queueDepth } = queueSchema.parse(await get(context, pathOf(sessionId, 'queue')));
  return say(answer, `Stopped. ${countOf(queueDepth, 'prompt')} held: ${context.hints.companion('queue continue')}`);
}

/** Lets a held queue go on. */
export async function continueQueueCommand(context: CommandContext, { dir }: DirectoryFlags): Promise<Report> {
  const { sessionId } = await requireSession(context.socketPath, dir);
  const answer = await post(context, { path: pathOf(sessionId, 'queue/continue') });
  return say(answer, `${countOf(ANSWERS.continueQueue.parse(answer).queueDepth, 'prompt')} waited.`);
}

const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** The session in which a prompt waits, of any folder. Throws `NOT_FOUND`. */
async function sessionOf({ socketPath }: CommandContext, promptId: string): Promise<string> {
  const found = await readWaitingOf(socketPath, promptId);
  if (found) return found.sessionId;
  const message = `No prompt that runs or waits has the id ${plainLine(promptId, 100)}. It may have ended.`;
  throw new CompanionError('NOT_FOUND', message, { field: 'promptId' });
}
