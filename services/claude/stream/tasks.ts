/**
 * What the CLI runs beside its turns. 2.1.329 reports its background tasks as one list with every change of it, which
 * says all that runs; 2.1.197 only reports that a task began and ended, and does not mark one in the background at its
 * start.
 */
import { cutText } from '../../../protocol/plain-text.js';
import type { BackgroundChange, CliFact, CliTask } from '../../ports/claude.js';
import type { CliSystem } from './cli-lines.js';

const MAX_SUMMARY = 1000;

const factOf = (change: BackgroundChange): CliFact[] => [{ kind: 'background', change }];

export function taskFacts(line: CliSystem): CliFact[] {
  const { subtype, tasks = [], task_id: taskId } = line;
  // Ambient tasks are the CLI's own housekeeping.
  if (subtype === 'background_tasks_changed')
    return factOf({ kind: 'all', tasks: tasks.filter(({ ambient }) => !ambient).map(taskOf) });
  if (taskId === undefined || line.ambient || line.skip_transcript) return [];
  switch (subtype ?? '') {
    case 'task_started':
      return startedFacts(line, taskId);
    case 'task_progress':
      return progressFacts(line, taskId);
    case 'task_updated':
      return updatedFacts(line, taskId);
    case 'task_notification':
      return factOf({
        kind: 'removed',
        taskId,
        ...(line.status && { status: line.status }),
        ...summaryOf(line.summary),
      });
    default:
      return [];
  }
}

function startedFacts(line: CliSystem, taskId: string): CliFact[] {
  if (line.is_backgrounded === false) return [];
  const toolId = line.tool_use_id;
  return factOf({ kind: 'added', task: taskOf({ ...line, task_id: taskId }), ...(toolId && { toolId }) });
}

/** What a task does: in the list, where it is in the background, and under the tool use of a subagent. */
function progressFacts(line: CliSystem, taskId: string): CliFact[] {
  const { summary } = summaryOf(line.summary ?? line.description);
  if (summary === undefined) return [];
  const parentToolUseId = line.tool_use_id;
  return [
    ...factOf({ kind: 'updated', taskId, summary }),
    { kind: 'progress', stage: 'subagent', message: summary, ...(parentToolUseId && { parentToolUseId }) },
  ];
}

/** The others are ends, which `task_notification` reports. */
const LIVE: ReadonlySet<string> = new Set(['pending', 'running', 'paused']);

function updatedFacts({ patch }: CliSystem, taskId: string): CliFact[] {
  const status = patch?.status;
  return status !== undefined && LIVE.has(status) ? factOf({ kind: 'updated', taskId, status }) : [];
}

const summaryOf = (summary: string | undefined): { summary?: string } =>
  summary === undefined ? {} : { summary: cutText(summary, MAX_SUMMARY) };

function taskOf(task: Pick<CliSystem, 'task_type' | 'description'> & { task_id: string }): CliTask {
  const { task_id: taskId, task_type: type, description } = task;
  return { taskId, ...(type !== undefined && { type }), ...(description !== undefined && { description }) };
}
