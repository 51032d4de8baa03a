/** What the CLI runs beside its turns, and the prompts that it has scheduled. */
import type { BackgroundChange, CliFact, CliSchedule, CliTask } from '../../ports/claude.js';
import type { BackgroundTask } from '../../ports/records.js';
import type { SessionState } from './session-state.js';
import type { StepBuilder } from './step-builder.js';
import { kindOf, tasksOf } from './task-view.js';

/** Recorded with the child: 2.1.197 does not tell the next daemon what still runs, and no version tells what is due. */
export function onBackground(builder: StepBuilder, { change }: Extract<CliFact, { kind: 'background' }>): void {
  if (change.kind === 'removed') tellEnd(builder, change);
  setTasks(builder, changedTasks(builder, change));
}

/** The ended task is in one list, with its outcome. */
function tellEnd(
  builder: StepBuilder,
  { taskId, status = 'completed', summary }: Extract<BackgroundChange, { kind: 'removed' }>,
) {
  const { state } = builder;
  const ended = state.background.find((task) => task.taskId === taskId);
  if (!ended) return;
  const told = { ...ended, status, ...(summary !== undefined && { summary }) };
  builder.frame({ type: 'tasks', data: tasksOf({ ...state, background: replaced(state.background, told) }) });
}

/** What a task does now is written with the next change of the record: it is of no use to the next daemon. */
function setTasks(builder: StepBuilder, background: readonly BackgroundTask[]): void {
  const { state } = builder;
  if (JSON.stringify(background) === JSON.stringify(state.background)) return;
  const { child } = state.record;
  const isSame = background.map(({ taskId }) => taskId).join() === state.background.map(({ taskId }) => taskId).join();
  if (child) {
    const record = { ...state.record, child: { ...child, background } };
    if (isSame) builder.update({ record });
    else builder.updateRecord(record);
  }
  builder.update({ background });
}

function changedTasks(builder: StepBuilder, change: BackgroundChange): readonly BackgroundTask[] {
  const { background } = builder.state;
  switch (change.kind) {
    case 'all':
      return [...background.filter(isScheduled), ...change.tasks.map((task) => known(builder, task))];
    case 'added':
      return replaced(background, { ...known(builder, change.task), ...kindByTool(builder.state, change.toolId) });
    case 'updated': {
      const { kind: _, taskId, ...news } = change;
      return background.map((task) => (task.taskId === taskId ? { ...task, ...news } : task));
    }
    case 'removed':
      return background.filter(({ taskId }) => taskId !== change.taskId);
  }
}

/** A task with what is known of it; its description is that of its beginning. */
function known({ state, now }: StepBuilder, task: CliTask): BackgroundTask {
  const found = state.background.find(({ taskId }) => taskId === task.taskId);
  return { kind: kindOf(task.type), startedAt: now, status: 'running', ...task, ...found };
}

function kindByTool({ tools }: SessionState, toolId: string | undefined): Pick<BackgroundTask, 'kind'> {
  const tool = [...tools.values()].findLast(({ foreignId }) => foreignId === toolId);
  return tool?.name === 'Monitor' ? { kind: 'monitor' } : {};
}

const replaced = (tasks: readonly BackgroundTask[], task: BackgroundTask): BackgroundTask[] =>
  tasks.some(({ taskId }) => taskId === task.taskId)
    ? tasks.map((other) => (other.taskId === task.taskId ? task : other))
    : [...tasks, task];

// Scheduled prompts. The CLI reports them only in the results of the tools that change them.

/** There is one at a time, and it has no id. */
const WAKEUP = 'wakeup';

const isScheduled = ({ kind }: BackgroundTask): boolean => kind === 'cron';

/** A tool has succeeded; those that schedule prompts change the list (2.1.332). */
export function onSchedule(builder: StepBuilder, toolName: string, schedule: CliSchedule): void {
  setTasks(builder, tasksAfter(builder, toolName, schedule));
}

function tasksAfter(builder: StepBuilder, toolName: string, schedule: CliSchedule): readonly BackgroundTask[] {
  const { background } = builder.state;
  switch (toolName) {
    case 'CronCreate':
      return schedule.id === undefined ? background : replaced(background, cronOf(builder, schedule.id, schedule));
    case 'CronDelete':
      return background.filter(({ taskId }) => taskId !== schedule.id);
    case 'CronList':
      return background.filter((task) => isListed(task, schedule));
    case 'ScheduleWakeup':
      return withWakeup(builder, schedule);
    default:
      return background;
  }
}

const scheduled = ({ now: startedAt }: StepBuilder) =>
  ({ type: 'cron', kind: 'cron', status: 'scheduled', startedAt }) as const;

const cronOf = (builder: StepBuilder, taskId: string, { humanSchedule, recurring, nextFireAt }: CliSchedule) => ({
  ...scheduled(builder),
  taskId,
  description: humanSchedule ?? 'Scheduled',
  ...(recurring === false && nextFireAt !== undefined && { firesAt: nextFireAt }),
});

const isListed = (task: BackgroundTask, { jobs }: CliSchedule): boolean =>
  !jobs || !isScheduled(task) || task.taskId === WAKEUP || jobs.some(({ id }) => id === task.taskId);

function withWakeup(builder: StepBuilder, { scheduledFor }: CliSchedule): readonly BackgroundTask[] {
  const others = builder.state.background.filter(({ taskId }) => taskId !== WAKEUP);
  if (!scheduledFor) return others;
  const description = `Claude continues at ${new Date(scheduledFor).toISOString()}`;
  return [...others, { ...scheduled(builder), taskId: WAKEUP, description, firesAt: scheduledFor }];
}

/** A turn has ended: what was due once has run by then, or runs next. */
export function forgetDue(builder: StepBuilder): void {
  const { background } = builder.state;
  setTasks(
    builder,
    background.filter(({ firesAt }) => firesAt === undefined || firesAt > builder.now),
  );
}
