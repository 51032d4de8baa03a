/** The list of tasks as a function of the CLI's lines. */
import { expect, test } from '@jest/globals';
import type { SessionId } from '../../protocol/scalars.js';
import type { CliFact } from '../../services/ports/claude.js';
import type { SessionRecord, UserId } from '../../services/ports/records.js';
import { decideLines } from '../../services/sessions/machine/decide-fact.js';
import { isIdle, type SessionState } from '../../services/sessions/machine/session-state.js';
import { tasksOf } from '../../services/sessions/machine/task-view.js';

const record: SessionRecord = {
  sessionId: 'session' as SessionId,
  owner: 'user' as UserId,
  directory: '/project',
  directoryKey: '1:1',
  messageCount: 0,
  totalCost: 0,
  createdAt: 0,
  updatedAt: 0,
  lastActivity: 0,
  child: { childId: 'child', processed: 0, resume: 0, costBase: 0 },
};

const fresh: SessionState = {
  ticks: 0,
  record,
  head: 0,
  child: { phase: 'live', ready: true, input: 'open' },
  turn: null,
  prompts: [],
  permissions: [],
  background: [],
  tools: new Map(),
  failures: [],
};

const after = (state: SessionState, facts: CliFact[], now = 1000) =>
  decideLines(state, [{ offset: 0, end: 1, resume: 1, facts }], now);
const result: CliFact = {
  kind: 'result',
  result: {
    subtype: 'success',
    isError: false,
    finalResult: '',
    durationMs: 1,
    numTurns: 1,
    apiError: false,
    aborted: false,
    spontaneous: true,
  },
};

/** Claude uses a tool that schedules a prompt, and has this result. */
const scheduled = (name: string, schedule: Extract<CliFact, { kind: 'toolResult' }>['schedule']): CliFact[] => [
  {
    kind: 'block',
    place: { messageId: 'm', blockIndex: 0 },
    content: { type: 'tool_use', id: name, name, input: {} },
    details: { aborted: false, streamType: 'tool_input' },
  },
  { kind: 'toolResult', toolId: name, text: '', isError: false, ...(schedule && { schedule }) },
];

const ONE_SHOT = { id: 'c1', humanSchedule: 'Every minute', recurring: false, nextFireAt: 5000 };

test('a prompt that is scheduled once holds the session until its turn has ended', () => {
  const created = after(fresh, [...scheduled('CronCreate', ONE_SHOT), result]);
  expect(tasksOf(created.state).tasks).toMatchObject([{ taskId: 'c1', kind: 'cron', description: 'Every minute' }]);
  expect(isIdle(created.state)).toBe(false);
  expect(created.state.record.child?.background).toHaveLength(1);
  const early = after(created.state, [result], 4999);
  expect(isIdle(early.state)).toBe(false);
  const due = after(early.state, [result], 5001);
  expect(tasksOf(due.state).tasks).toEqual([]);
  expect(isIdle(due.state)).toBe(true);
});

test('a schedule that recurs stays, and the list of the CLI corrects ours', () => {
  const created = after(fresh, [...scheduled('CronCreate', { id: 'c1', recurring: true, nextFireAt: 5000 }), result]);
  const later = after(created.state, [result], 9000);
  expect(tasksOf(later.state).tasks).toHaveLength(1);
  const others = after(later.state, [...scheduled('CronList', { jobs: [{ id: 'c1' }] }), result]);
  expect(tasksOf(others.state).tasks).toHaveLength(1);
  const none = after(others.state, [...scheduled('CronList', { jobs: [] }), result]);
  expect(tasksOf(none.state).tasks).toEqual([]);
});

test('a wakeup replaces the one before, and is no task of another tool', () => {
  const first = after(fresh, [...scheduled('ScheduleWakeup', { scheduledFor: 5000 }), result]);
  const second = after(first.state, [...scheduled('ScheduleWakeup', { scheduledFor: 8000 }), result]);
  expect(tasksOf(second.state).tasks).toMatchObject([
    { taskId: 'wakeup', kind: 'cron', description: 'Claude continues at 1970-01-01T00:00:08.000Z' },
  ]);
  const foreign = after(fresh, [...scheduled('mcp__other__CronCreate', ONE_SHOT), result]);
  expect(tasksOf(foreign.state).tasks).toEqual([]);
});

test('what a task does now is told and costs no write; its end is told once', () => {
  const task = { taskId: 't1', type: 'local_agent', description: 'A helper' };
  const background = (change: Extract<CliFact, { kind: 'background' }>['change']): CliFact => ({
    kind: 'background',
    change,
  });
  const begun = after(fresh, [background({ kind: 'all', tasks: [task] }), background({ kind: 'added', task })]);
  const told = after(begun.state, [background({ kind: 'updated', taskId: 't1', summary: 'Running a test' })], 2000);
  expect(told.change).toBeUndefined();
  expect(told.publications).toEqual([
    {
      kind: 'frame',
      frame: {
        type: 'tasks',
        data: {
          sessionId: 'session',
          tasks: [
            {
              taskId: 't1',
              kind: 'agent',
              description: 'A helper',
              status: 'running',
              startedAt: '1970-01-01T00:00:01.000Z',
              summary: 'Running a test',
            },
          ],
        },
      },
    },
  ]);
  const again = after(told.state, [background({ kind: 'all', tasks: [task] })], 3000);
  expect(again.publications).toEqual([]);
  const removed = background({ kind: 'removed', taskId: 't1', status: 'failed', summary: 'It broke.' });
  const ended = after(again.state, [removed, background({ kind: 'all', tasks: [] })], 4000);
  const lists = ended.publications.flatMap((item) =>
    item.kind === 'frame' && item.frame.type === 'tasks' ? [item.frame.data.tasks] : [],
  );
  expect(lists).toMatchObject([[{ status: 'failed', summary: 'It broke.' }], []]);
});
