/** Background tasks as clients see them. */
import type { Tasks, TaskView } from '../../../protocol/tasks.js';
import type { BackgroundTask } from '../../ports/records.js';
import type { SessionState } from './session-state.js';

/** By the CLI's words for its tasks; a monitor is one of its shells, and is known by the tool that began it. */
const KINDS: Readonly<Record<string, TaskView['kind']>> = {
  local_bash: 'shell',
  local_agent: 'agent',
  remote_agent: 'agent',
  in_process_teammate: 'agent',
  monitor_mcp: 'monitor',
  monitor_ws: 'monitor',
};
export const kindOf = (type: string | undefined): TaskView['kind'] => KINDS[type ?? ''] ?? 'other';

/** The tasks in wire form. */
export function tasksOf({ record, background }: SessionState): Tasks {
  const since = record.child?.startedAt ?? record.createdAt;
  return { sessionId: record.sessionId, tasks: background.map((task) => viewOf(task, since)) };
}

/** `since`: for a task of an older daemon, whose record has no time. */
const viewOf = (task: BackgroundTask, since: number): TaskView => ({
  taskId: task.taskId,
  kind: task.kind ?? kindOf(task.type),
  description: task.description ?? '',
  status: task.status ?? 'running',
  startedAt: new Date(task.startedAt ?? since).toISOString(),
  ...(task.summary !== undefined && { summary: task.summary }),
});
