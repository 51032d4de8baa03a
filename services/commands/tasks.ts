/** Commands on what a session runs beside its turns. */
import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import { wellFormed } from '../../protocol/plain-text.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { AnswerData } from '../../protocol/server-frames.js';
import type { Tasks, TaskView } from '../../protocol/tasks.js';
import { tasksOf } from '../sessions/machine/task-view.js';
import type { Session } from '../sessions/session.js';
import { type Caller, type CommandServices, sessionOf } from './command-context.js';

interface OfTask {
  caller: Caller;
  sessionId: SessionId;
  taskId: string;
}

export const listTasks = (services: CommandServices, { caller, sessionId }: Omit<OfTask, 'taskId'>): Tasks =>
  tasksOf(sessionOf(services, caller, sessionId).state);

/** The end of what a shell or monitor has written. Rejects with `INVALID_REQUEST`, or as `Session.askChild` does. */
export async function readTaskOutput(
  services: CommandServices,
  { caller, sessionId, taskId }: OfTask,
): Promise<AnswerData<'getTaskOutput'>> {
  const session = sessionOf(services, caller, sessionId);
  if (findTask(session, taskId).kind === 'agent') throw withoutOutput();
  const answer = await session.askChild({ subtype: 'get_task_output', task_id: taskId }).catch((error: unknown) => {
    throw isRefusal(error) ? withoutOutput() : error;
  });
  const { output, total_bytes: total } = answer;
  return {
    sessionId,
    taskId,
    output: typeof output === 'string' ? wellFormed(output) : '',
    totalBytes: typeof total === 'number' && total > 0 ? Math.trunc(total) : 0,
    truncated: answer.truncated === true,
  };
}

const withoutOutput = () => invalid('taskId', 'must be a shell or a monitor: no other task has output');

const isRefusal = (error: unknown): boolean => error instanceof CompanionError && error.code === 'INVALID_REQUEST';

/** Resolves when the task is no longer among those of the session. */
export async function stopTask(
  services: CommandServices,
  { caller, sessionId, taskId }: OfTask,
): Promise<AnswerData<'stopTask'>> {
  const session = sessionOf(services, caller, sessionId);
  findTask(session, taskId);
  await session.askChild({ subtype: 'stop_task', task_id: taskId });
  await session.caughtUp();
  return { sessionId, taskId };
}

/** Moves a running tool, or all of them, to the background: the turn continues without their results. */
export async function backgroundTask(
  services: CommandServices,
  { caller, sessionId, toolId }: ClientData<'backgroundTask'> & { caller: Caller },
): Promise<AnswerData<'backgroundTask'>> {
  const session = sessionOf(services, caller, sessionId);
  const before = new Set(session.state.background.map(({ taskId }) => taskId));
  const toolUseId = foreignIdOf(session, toolId);
  const answer = await session.askChild({
    subtype: 'background_tasks',
    ...(toolUseId !== undefined && { tool_use_id: toolUseId }),
  });
  if (toolId !== undefined && answer.backgrounded === false)
    throw invalid('toolId', 'must be a subagent in the foreground, or a shell there that has run for some seconds');
  await session.caughtUp();
  const taskIds = session.state.background.flatMap(({ taskId }) => (before.has(taskId) ? [] : [taskId]));
  return { sessionId, taskIds };
}

/** The CLI's id of a running tool. */
function foreignIdOf({ state: { tools } }: Session, toolId: string | undefined): string | undefined {
  if (toolId === undefined) {
    if (tools.size > 0) return undefined;
    throw new CompanionError('CONFLICT', 'No tool runs in this session.', {
      field: 'sessionId',
      rule: 'must be a session in which a tool runs',
    });
  }
  const tool = tools.get(toolId);
  if (!tool) throw invalid('toolId', 'must be a tool of this session that runs');
  return tool.foreignId || toolId;
}

/** A task of the CLI: it can be stopped, unlike a prompt that is scheduled. */
function findTask(session: Session, taskId: string): TaskView {
  const task = tasksOf(session.state).tasks.find((one) => one.taskId === taskId);
  if (!task) throw invalid('taskId', 'must be a task of this session that has not ended');
  if (task.kind === 'cron') throw invalid('taskId', 'must not be a scheduled prompt: ask Claude to cancel it');
  return task;
}
