import { plainLine, plainText } from '../protocol/plain-text.js';
import { ANSWERS } from '../protocol/server-frames.js';
import { tasksSchema } from '../protocol/tasks.js';
import { since } from './amounts.js';
import { type CommandContext, get, post, type Report, say } from './commands.js';
import type { DirectoryFlags } from './queue-commands.js';
import { textTable } from './tables.js';
import { requireSession } from './waiting-sessions.js';

const HEADINGS = ['TASK', 'KIND', 'STATUS', 'FOR', 'WHAT'];

const tasksPath = async ({ socketPath }: CommandContext, { dir }: DirectoryFlags, rest = ''): Promise<string> => {
  const { sessionId } = await requireSession(socketPath, dir);
  return `/api/sessions/${encodeURIComponent(sessionId)}/tasks${rest}`;
};

/** Lists what a folder's session runs beside its turns, and what it has scheduled. */
export async function tasksCommand(context: CommandContext, flags: DirectoryFlags): Promise<Report> {
  const answer = await get(context, await tasksPath(context, flags));
  const { tasks } = tasksSchema.parse(answer);
  if (tasks.length === 0) return say(answer, 'No tasks.');
  const rows = tasks.map(({ taskId, kind, status, startedAt, description, summary }) => {
    return [taskId, kind, status, since(startedAt), summary ?? description];
  });
  return say(answer, textTable([HEADINGS, ...rows]));
}

/** Prints the end of what a shell or monitor has written. */
export async function taskOutputCommand(
  context: CommandContext,
  taskId: string,
  flags: DirectoryFlags,
): Promise<Report> {
  const path = await tasksPath(context, flags, `/${encodeURIComponent(taskId)}/output`);
  const answer = await get(context, path);
  const { output, truncated, totalBytes } = ANSWERS.getTaskOutput.parse(answer);
  if (truncated && !context.json) context.io.stderr.write(`The end of ${totalBytes} bytes:\n`);
  return say(answer, plainText(output).trimEnd());
}

export async function stopTaskCommand(context: CommandContext, taskId: string, flags: DirectoryFlags): Promise<Report> {
  const path = await tasksPath(context, flags, `/${encodeURIComponent(taskId)}/stop`);
  return say(await post(context, { path }), `Stopped ${plainLine(taskId, 100)}.`);
}

/** Moves the tools that run in the turn to the background: the turn goes on without their results. */
export async function backgroundCommand(context: CommandContext, flags: DirectoryFlags): Promise<Report> {
  const answer = await post(context, { path: await tasksPath(context, flags, '/background') });
  const { taskIds } = ANSWERS.backgroundTask.parse(answer);
  const text =
    taskIds.length === 0 ? 'Nothing new runs in the background.' : `In the background: ${taskIds.join(', ')}`;
  return say(answer, plainLine(text, 500));
}
