/** What the real CLI runs beside its turns: listed, read, stopped, and moved there. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type Tasks, tasksSchema } from '../../protocol/tasks.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld({ environment: { AGENT_PROGRESS_SUMMARIES: 'off' } });
const openShared = useSharedSession(world, {
  allowedTools: ['Bash', 'Monitor', 'Agent', 'CronCreate', 'CronDelete', 'ScheduleWakeup'],
});

const untilThere = (go: string) => `echo one; until [ -e ${go} ]; do sleep 0.05; done; echo two`;
const UNTIL_STOPPED = untilThere('never-there');
const shell = (command: string) => ({
  name: 'Bash',
  input: { command, description: 'Wait for it', run_in_background: true },
});

type Steps = Parameters<typeof scenario>;

/** Begins a turn in the session that the tests share. */
async function start(client: WireClient, ...steps: Steps) {
  const { sessionId, directory } = await openShared(client);
  const { data } = await client.request('streamSend', { sessionId, prompt: scenario(...steps) });
  return { sessionId, promptId: data.promptId, directory };
}

const tasksIn = ({ data }: Frame) => tasksSchema.parse(data).tasks;
const listsOf = (client: WireClient, sessionId: string) =>
  client.frames.flatMap((frame) =>
    frame.type === 'tasks' && frame.data.sessionId === sessionId ? [tasksIn(frame)] : [],
  );
const waitForTasks = async (client: WireClient, matches: (tasks: Tasks['tasks']) => boolean, from = 0) =>
  tasksIn(await client.waitFor((frame) => frame.type === 'tasks' && matches(tasksIn(frame)), from));
const listed = async (sessionId: string) =>
  (await (await world.daemon.fetch(`/api/sessions/${sessionId}/tasks`)).json()) as Tasks;
const version = async () => String((await (await world.connect()).waitFor('welcome')).data.claudeCodeVersion);

test('a shell in the background is listed, read and stopped', async () => {
  const client = await world.connect();
  const { sessionId, promptId } = await start(client, { tools: [shell(UNTIL_STOPPED)] }, { text: 'Started.' });
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  const [task] = await waitForTasks(client, ({ length }) => length === 1);
  expect(task).toEqual({
    taskId: expect.any(String),
    kind: 'shell',
    description: 'Wait for it',
    status: 'running',
    startedAt: expect.any(String),
  });
  expect(await listed(sessionId)).toEqual({ sessionId, tasks: [task] });
  const status = await client.waitFor(({ type, data }) => type === 'sessionStatus' && Array.isArray(data.background));
  expect(status.data.background).toEqual([{ taskId: task?.taskId, type: 'local_bash', description: 'Wait for it' }]);

  const taskId = task?.taskId ?? '';
  const read = await client.request('getTaskOutput', { sessionId, taskId });
  if ((await version()) === '2.1.197')
    expect(read.data).toMatchObject({
      code: 'CLAUDE_UNAVAILABLE',
      details: { rule: 'needs Claude Code 2.1.287 or later' },
    });
  else
    expect(read).toMatchObject({
      type: 'getTaskOutput',
      data: { sessionId, taskId, output: 'one\n', totalBytes: 4, truncated: false },
    });

  expect(await client.request('stopTask', { sessionId, taskId })).toMatchObject({ type: 'stopTask', data: { taskId } });
  expect(await listed(sessionId)).toEqual({ sessionId, tasks: [] });
  await waitForTasks(client, ([first]) => first?.status === 'stopped');
  expect(listsOf(client, sessionId).at(-1)).toEqual([]);
});

test('O1: a task that has ended or is of another session is refused, and nothing changes', async () => {
  const client = await world.connect();
  const { sessionId, directory } = await start(
    client,
    { tools: [shell(untilThere('refused'))] },
    { text: 'Started.' },
    { text: 'Over.' },
  );
  const [task] = await waitForTasks(client, ({ length }) => length === 1);
  const taskId = task?.taskId ?? '';
  const elsewhere = { prompt: '', workingDirectory: world.daemon.project() };
  const { data: other } = await client.request('streamStart', elsewhere);
  const rule = 'must be a task of this session that has not ended';
  const refused = { type: 'error', data: { code: 'INVALID_REQUEST', details: { field: 'taskId', rule } } };
  for (const type of ['stopTask', 'getTaskOutput'] as const)
    expect(await client.request(type, { sessionId: other.sessionId, taskId })).toMatchObject(refused);
  expect((await listed(sessionId)).tasks).toHaveLength(1);
  writeFileSync(join(directory, 'refused'), '');
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Over.');
  for (const type of ['stopTask', 'getTaskOutput'] as const)
    expect(await client.request(type, { sessionId, taskId })).toMatchObject(refused);
  expect(await client.request('backgroundTask', { sessionId, toolId: 'none' })).toMatchObject({
    data: { code: 'INVALID_REQUEST', details: { field: 'toolId', rule: 'must be a tool of this session that runs' } },
  });
  expect(await client.request('backgroundTask', { sessionId })).toMatchObject({
    data: { code: 'CONFLICT', details: { field: 'sessionId' } },
  });
});

test('the end of a task is told with its summary, and the turn that it begins has no prompt', async () => {
  const client = await world.connect();
  const { sessionId, directory } = await start(
    client,
    { tools: [shell(untilThere('ended'))] },
    { text: 'Started.' },
    { text: 'Over.' },
  );
  await waitForTasks(client, ({ length }) => length === 1);
  writeFileSync(join(directory, 'ended'), '');
  const [ended] = await waitForTasks(client, ([first]) => first?.status === 'completed');
  expect(ended?.summary).toContain('Wait for it');
  const own = await client.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Over.');
  expect(own.data.promptId).toBeUndefined();
  expect((await listed(sessionId)).tasks).toEqual([]);
});

test('D3: whoever catches up gets the list, also after the daemon was killed', async () => {
  const client = await world.connect({ deviceId: 'lists' });
  const { sessionId } = await start(client, { tools: [shell(UNTIL_STOPPED)] }, { text: 'Started.' });
  const [task] = await waitForTasks(client, ({ length }) => length === 1);
  await client.waitFor('streamComplete');
  await world.daemon.restart('SIGKILL');
  const later = await world.connect({ deviceId: 'lists' });
  const isOf = (type: string) => (frame: Frame) => frame.type === type && frame.data.sessionId === sessionId;
  const caughtUp = await later.waitFor(isOf('caughtUp'));
  const tasks = await later.waitFor(isOf('tasks'));
  expect(later.frames.indexOf(tasks)).toBeGreaterThan(later.frames.indexOf(caughtUp));
  expect(tasksIn(tasks)).toEqual([task]);
  await later.request('stopTask', { sessionId, taskId: task?.taskId ?? '' });
  expect((await listed(sessionId)).tasks).toEqual([]);
});

test('a subagent that is moved to the background works on there while the turn ends', async () => {
  const client = await world.connect();
  const prompt = scenario({ text: 'Found.', gate: 'sub' });
  const input = { description: 'A helper', prompt, subagent_type: 'general-purpose', run_in_background: false };
  const { sessionId } = await start(
    client,
    { tools: [{ name: 'Agent', input }] },
    { text: 'Moved.' },
    { text: 'Over.' },
  );
  await world.api.reached('sub');
  const { data: use } = await client.waitFor('toolUse');
  const moved = await client.request('backgroundTask', { sessionId, toolId: use.toolId });
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Moved.');
  const { tasks } = await listed(sessionId);
  expect(tasks).toMatchObject([{ kind: 'agent', description: 'A helper', status: 'running' }]);
  // 2.1.197 does not say which tasks are in the foreground: it was in the list before.
  expect(moved.data.taskIds).toEqual((await version()) === '2.1.197' ? [] : [tasks[0]?.taskId]);
  expect(await client.request('getTaskOutput', { sessionId, taskId: tasks[0]?.taskId ?? '' })).toMatchObject({
    data: { code: 'INVALID_REQUEST', details: { field: 'taskId' } },
  });
  world.api.release('sub');
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Over.');
  expect((await listed(sessionId)).tasks).toEqual([]);
});

test('an interrupt ends the turn with its subagents, and leaves what runs in the background to stopTask', async () => {
  const client = await world.connect();
  const helper = (gate: string, background: boolean) => {
    const prompt = scenario({ text: 'Found.', gate });
    const input = { description: gate, prompt, subagent_type: 'general-purpose', run_in_background: background };
    return { name: 'Agent', input };
  };
  const { sessionId } = await start(
    client,
    { tools: [shell(UNTIL_STOPPED), helper('beside', true)] },
    { tools: [helper('within', false)] },
  );
  await world.api.reached('beside');
  await world.api.reached('within');
  await client.request('interrupt', { sessionId });
  expect((await client.waitFor('streamComplete')).data).toMatchObject({ subtype: 'interrupted' });
  const { tasks } = await listed(sessionId);
  // 2.1.197 ends every subagent.
  const kinds = (await version()) === '2.1.197' ? ['shell'] : ['agent', 'shell'];
  expect(tasks.map(({ kind }) => kind).sort()).toEqual(kinds);
  for (const { taskId } of tasks) await client.request('stopTask', { sessionId, taskId });
  expect((await listed(sessionId)).tasks).toEqual([]);
  for (const gate of ['beside', 'within']) world.api.release(gate);
  const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Alive.' }) });
  // On 2.1.332 a subagent that was stopped begins a turn of its own before.
  const isEnd = ({ type, data }: Frame) => type === 'streamComplete' && data.promptId === next.data.promptId;
  expect((await client.waitFor(isEnd)).data).toMatchObject({ finalResult: 'Alive.' });
});

test('what a subagent in the foreground says and does is under the tool use that began it', async () => {
  const client = await world.connect();
  const prompt = scenario(
    { text: 'I look around.', tools: [{ name: 'Bash', input: { command: 'echo hi', description: 'Say hi' } }] },
    { text: 'Found.' },
  );
  const input = { description: 'A helper', prompt, subagent_type: 'general-purpose', run_in_background: false };
  await start(client, { tools: [{ name: 'Agent', input }] }, { text: 'Both done.' });
  const { data: use, sessionId } = await client.waitFor(
    ({ type, data }) => type === 'toolUse' && data.toolName === 'Agent',
  );
  await client.waitFor('streamComplete');
  const ofSubagent = ({ data }: Frame) => data.parentToolUseId === use.toolId;
  const said = client.events().filter((frame) => frame.type === 'assistantMessage' && ofSubagent(frame));
  expect(said.map(({ data }) => data.content[0]?.text)).toEqual(['I look around.', undefined, 'Found.']);
  const progress = client.frames.filter(({ type, data }) => type === 'progress' && data.stage === 'subagent');
  expect(progress.map(({ data }) => data.message)).toContain('Running Say hi');
  expect(progress.every(ofSubagent)).toBe(true);
  // Its model would be asked only after half a minute.
  const [pid] = world.daemon.sessionProcesses(String(sessionId));
  expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toContain('CLAUDE_CODE_DISABLE_AGENT_PROGRESS_SUMMARIES=1\0');
});

test('scheduled prompts are listed until they are cancelled', async () => {
  const client = await world.connect();
  const create = { name: 'CronCreate', input: { cron: '7 3 * * *', prompt: 'say hi', recurring: true } };
  const { sessionId } = await start(client, { tools: [create] }, { text: 'Scheduled.' });
  await client.waitFor('streamComplete');
  const { tasks } = await listed(sessionId);
  expect(tasks).toMatchObject([{ kind: 'cron', status: 'scheduled', description: expect.stringContaining('3:07') }]);
  expect((await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as unknown).toMatchObject({
    status: 'idle',
  });
  const [cron] = tasks;
  expect(await client.request('stopTask', { sessionId, taskId: cron?.taskId ?? '' })).toMatchObject({
    data: { code: 'INVALID_REQUEST', details: { field: 'taskId' } },
  });
  const from = client.frames.length;
  const cancel = { name: 'CronDelete', input: { id: cron?.taskId } };
  await client.request('streamSend', { sessionId, prompt: scenario({ tools: [cancel] }, { text: 'Cancelled.' }) });
  await client.waitFor('streamComplete', from);
  expect((await listed(sessionId)).tasks).toEqual([]);
});

test('a monitor is listed as one', async () => {
  if ((await version()) === '2.1.197') return;
  const client = await world.connect();
  const input = { command: UNTIL_STOPPED, description: 'Watch it', timeout_ms: 60_000, persistent: false };
  const { sessionId } = await start(client, { tools: [{ name: 'Monitor', input }] }, { text: 'Watching.' });
  const [task] = await waitForTasks(client, ([first]) => first?.kind === 'monitor');
  expect(task).toMatchObject({ description: 'Watch it', status: 'running' });
  await client.request('stopTask', { sessionId, taskId: task?.taskId ?? '' });
  expect((await listed(sessionId)).tasks).toEqual([]);
});
