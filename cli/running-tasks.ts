import { plainLine } from '../protocol/plain-text.js';
import { type TaskView, tasksSchema } from '../protocol/tasks.js';
import type { AskView } from './ask-view.js';
import { askDaemon } from './local-daemon.js';

const MAX_DESCRIPTION = 60;

interface RunningTasksOptions {
  view: AskView;
  socketPath: string;
  sessionId: string;
  hint: (command: string) => string;
}

/** After an interrupt, which ends only the turn: what the session still runs beside it, and what ends that. */
export async function tellRunningTasks({ view, socketPath, sessionId, hint }: RunningTasksOptions): Promise<void> {
  // The turn has ended in any case, and a daemon that is gone is reported elsewhere.
  const tasks = await readTasks(socketPath, sessionId).catch(() => []);
  const names = tasks
    .filter(({ kind }) => kind !== 'cron')
    .map(({ description }) => plainLine(description, MAX_DESCRIPTION));
  if (names.length === 0) return;
  view.line(`Still running in the background: ${names.join(', ')}`);
  view.line(`To end it: ${hint(`close ${sessionId}`)}`);
}

async function readTasks(socketPath: string, sessionId: string): Promise<TaskView[]> {
  const path = `/api/sessions/${encodeURIComponent(sessionId)}/tasks`;
  return tasksSchema.parse(await askDaemon({ socketPath, method: 'GET', path })).tasks;
}
