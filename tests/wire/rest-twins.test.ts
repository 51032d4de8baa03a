/** The queue, the turn and the tasks of a session over REST, each as its frame does it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { REST_ANSWERS } from '../../protocol/rest-answers.js';
import { digestOf } from '../../services/telemetry/digest-of.js';
import { pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

type Answer = Record<string, unknown> & { error: { code: string; details: Record<string, unknown> } };

async function ask(method: string, path: string, body?: object, token?: string) {
  const response = await world.daemon.fetch(`/api/sessions/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
  });
  return { status: response.status, body: (await response.json()) as Answer };
}

const shaped = (command: keyof typeof REST_ANSWERS, { body }: { body: Answer }) =>
  expect(REST_ANSWERS[command].shape?.safeParse(body).success).toBe(true);

const completed = (client: WireClient, promptId: string) =>
  client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);

const refused = (status: number, field: string, rule?: string) => ({
  status,
  body: { error: { details: { field, ...(rule !== undefined && { rule }) } } },
});

async function busy(client: WireClient, gate: string, ...texts: string[]) {
  const prompt = scenario({ text: 'Busy.', gate });
  const started = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
  const { sessionId, promptId: running } = started.data;
  await world.api.reached(gate);
  const waiting: string[] = [];
  for (const text of texts) {
    const sent = await client.request('streamSend', { sessionId, prompt: scenario({ text }) });
    waiting.push(sent.data.promptId);
  }
  return { sessionId, running, waiting };
}

test('the queue is shown, edited, reordered, held, continued and cleared', async () => {
  const client = await world.connect({ deviceId: 'twin' });
  const { sessionId, running, waiting } = await busy(client, 'twin-1', 'One.', 'Two.', 'Three.', 'Four.');
  const [one = '', two = '', three = '', four = ''] = waiting;
  const idsOf = async () => {
    const answer = await ask('GET', `${sessionId}/queue`);
    shaped('showSessionQueue', answer);
    return (answer.body.queue as { promptId: string }[]).map(({ promptId }) => promptId);
  };
  expect(await idsOf()).toEqual(waiting);
  const text = scenario({ text: 'Edited.' }) + ' "'.repeat(450_000);
  const edited = await ask('PATCH', `${sessionId}/prompts/${two}`, { prompt: text });
  expect(edited).toEqual({ status: 200, body: { promptId: two, sessionId } });
  const moved = await ask('POST', `${sessionId}/prompts/${three}/move`, { before: one });
  expect(moved).toEqual({ status: 200, body: { promptId: three, sessionId, position: 1 } });
  const cancelled = await ask('DELETE', `${sessionId}/prompts/${four}`);
  expect(cancelled).toEqual({ status: 200, body: { promptId: four, was: 'queued' } });
  expect(await idsOf()).toEqual([three, one, two]);

  expect(await ask('PATCH', `${sessionId}/prompts/${two}`, { prompt: ' ' })).toMatchObject(refused(400, 'prompt'));
  expect(await ask('PATCH', `${sessionId}/prompts/${two}`, {})).toMatchObject(refused(400, 'prompt'));
  expect(await ask('PATCH', `${sessionId}/prompts/${running}`, { prompt: 'x' })).toMatchObject(
    refused(409, 'promptId'),
  );
  expect(await ask('POST', `${sessionId}/prompts/${two}/move`, { before: 7 })).toMatchObject(refused(400, 'before'));
  expect(await ask('POST', `${sessionId}/interrupt`, { holdQueue: 'yes' })).toMatchObject(refused(400, 'holdQueue'));
  expect(await ask('DELETE', `${sessionId}/prompts/nobody`)).toMatchObject(refused(404, 'promptId'));
  const other = await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
  const elsewhere = other.data.sessionId;
  for (const [method, rest, body] of [
    ['PATCH', '', { prompt: 'x' }],
    ['DELETE', '', undefined],
    ['POST', '/move', {}],
  ] as const) {
    expect(await ask(method, `${elsewhere}/prompts/${two}${rest}`, body)).toMatchObject(
      refused(400, 'promptId', 'must be a prompt of the session'),
    );
  }
  expect(await idsOf()).toEqual([three, one, two]);

  const held = await ask('POST', `${sessionId}/interrupt`);
  expect(held).toEqual({ status: 200, body: { sessionId, was: 'working' } });
  await completed(client, running);
  world.api.release('twin-1');
  expect((await ask('GET', `${sessionId}/queue`)).body).toMatchObject({ held: true, queueDepth: 3 });
  const continued = await ask('POST', `${sessionId}/queue/continue`);
  expect(continued).toEqual({ status: 200, body: { sessionId, queueDepth: 3 } });
  for (const promptId of [three, one, two]) await completed(client, promptId);
  const said = client.events(sessionId).filter(({ type }) => type === 'streamComplete');
  expect(said.map(({ data }) => data.finalResult).slice(1)).toEqual(['Three.', 'One.', 'Edited.']);

  expect(await ask('DELETE', `${sessionId}/queue`)).toEqual({ status: 200, body: { sessionId, cancelled: [] } });
  expect((await ask('GET', `${sessionId}/queue`)).body).toEqual({ sessionId, queue: [], queueDepth: 0, held: false });
});

test('a prompt that waits is edited and cancelled as the version that a client has seen, and as no other', async () => {
  const client = await world.connect();
  const { sessionId, waiting } = await busy(client, 'twin-version', 'One.', 'Two.');
  const [one = '', two = ''] = waiting;
  const fetchIt = (id: string, init: RequestInit = {}) =>
    world.daemon.fetch(`/api/sessions/${sessionId}/prompts/${id}`, init);
  const tagOf = async (id: string) => (await fetchIt(id)).headers.get('etag') ?? '';
  const edit = (prompt: string, tag: string) =>
    fetchIt(one, {
      method: 'PATCH',
      body: JSON.stringify({ prompt }),
      headers: { 'content-type': 'application/json', 'if-match': tag },
    });
  const seen = await tagOf(one);
  const both = await Promise.all([edit('First.', seen), edit('Second.', seen)]);
  expect(both.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 412]);
  const prompt = both[0]?.status === 200 ? 'First.' : 'Second.';
  expect(await (await fetchIt(one)).json()).toMatchObject({ prompt, status: 'queued', position: 1 });
  const cancel = (id: string, tag: string) => fetchIt(id, { method: 'DELETE', headers: { 'if-match': tag } });
  expect((await cancel(one, seen)).status).toBe(412);
  const other = await tagOf(two);
  expect((await cancel(one, await tagOf(one))).status).toBe(200);
  // It has moved up: another answer, and the same version.
  expect(await tagOf(two)).not.toBe(other);
  expect((await cancel(two, other)).status).toBe(200);
  await ask('POST', `${sessionId}/interrupt`);
  world.api.release('twin-version');
});

test('S1: an edited text that is a command of the CLI needs the scope of that command', async () => {
  const client = await world.connect();
  const { sessionId, running, waiting } = await busy(client, 'twin-2', 'One.');
  const { accessToken } = await pairDevice(world.daemon, { scopes: ['read', 'prompt'] });
  const path = `${sessionId}/prompts/${waiting[0]}`;
  expect(await ask('PATCH', path, { prompt: '/config model=x' }, accessToken)).toMatchObject({
    status: 403,
    body: { error: { code: 'PERMISSION_DENIED', details: { field: 'prompt' } } },
  });
  const text = scenario({ text: 'Plain.' });
  expect(await ask('PATCH', path, { prompt: text }, accessToken)).toMatchObject({ status: 200 });
  const entry = { action: 'prompt', outcome: 'ok', sessionId, digest: digestOf(text) };
  const isAudited = (line: string) => {
    const found = JSON.parse(line) as Record<string, unknown>;
    return Object.entries(entry).every(([name, value]) => found[name] === value);
  };
  const audited = () => readFileSync(join(world.daemon.home, 'logs/audit.log'), 'utf8').trim().split('\n');
  await waitUntil('it is in the audit log', () => audited().some(isAudited));
  expect(await ask('POST', `${sessionId}/rewind`, { promptId: running, what: 'both' }, accessToken)).toMatchObject({
    status: 403,
  });
  world.api.release('twin-2');
  const { data } = await completed(client, waiting[0] ?? '');
  expect(data.finalResult).toBe('Plain.');
});

test('a session is rewound, and the history names the prompts to which it can be', async () => {
  const client = await world.connect();
  const folder = world.daemon.project();
  const write = { tools: [{ name: 'Write', input: { file_path: join(folder, 'a'), content: '1\n' } }] };
  const options = { permissionMode: 'acceptEdits' as const };
  const prompt = scenario(write, { text: 'Written.' });
  const started = await client.request('streamStart', { prompt, workingDirectory: folder, options });
  const { sessionId, promptId } = started.data;
  await completed(client, promptId);
  const isIdle = () =>
    client.events(sessionId).findLast(({ type }) => type === 'sessionStatus')?.data.status === 'idle';
  await client.waitFor(isIdle);
  const { data: history } = await client.request('getMessageHistory', { sessionId });
  const messages = history.messages as { type: string; promptId?: string }[];
  expect(messages.filter((message) => message.promptId !== undefined)).toMatchObject([{ type: 'user', promptId }]);
  expect(await ask('POST', `${sessionId}/rewind`, { promptId, what: 'all' })).toMatchObject(refused(400, 'what'));
  const dry = await ask('POST', `${sessionId}/rewind`, { promptId, what: 'files', dryRun: true });
  expect(dry).toMatchObject({
    status: 200,
    body: { canRewind: true, dryRun: true, filesChanged: [join(folder, 'a')] },
  });
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('1\n');
  const done = await ask('POST', `${sessionId}/rewind`, { promptId, what: 'files' });
  shaped('rewindSession', done);
  expect(existsSync(join(folder, 'a'))).toBe(false);
  await client.waitFor(({ type, data }) => type === 'rewound' && data.promptId === promptId);
});

test('tasks are read, stopped and moved to the background', async () => {
  const client = await world.connect();
  const { data } = await client.request('streamStart', {
    prompt: scenario(
      {
        tools: [{ name: 'Bash', input: { command: 'echo one; sleep 60', description: 'x', run_in_background: true } }],
      },
      { text: 'Started.' },
    ),
    workingDirectory: world.daemon.project(),
    options: { allowedTools: ['Bash'] },
  });
  const { sessionId, promptId } = data;
  await completed(client, promptId);
  const { body } = await ask('GET', `${sessionId}/tasks`);
  const [{ taskId } = { taskId: '' }] = body.tasks as { taskId: string }[];
  const output = await ask('GET', `${sessionId}/tasks/${taskId}/output`);
  const welcome = await (await world.connect()).waitFor('welcome');
  if (welcome.data.claudeCodeVersion === '2.1.197') expect(output.body.error.code).toBe('CLAUDE_UNAVAILABLE');
  else expect(output.body).toEqual({ sessionId, taskId, output: 'one\n', totalBytes: 4, truncated: false });
  expect(await ask('POST', `${sessionId}/tasks/background`, {})).toMatchObject(refused(409, 'sessionId'));
  expect(await ask('POST', `${sessionId}/tasks/background`, { toolId: 'none' })).toMatchObject(refused(400, 'toolId'));
  expect(await ask('POST', `${sessionId}/tasks/${taskId}/stop`)).toEqual({ status: 200, body: { sessionId, taskId } });
  expect((await ask('GET', `${sessionId}/tasks`)).body.tasks).toEqual([]);
  for (const [method, rest] of [
    ['POST', 'stop'],
    ['GET', 'output'],
  ] as const) {
    expect(await ask(method, `${sessionId}/tasks/${taskId}/${rest}`)).toMatchObject(refused(400, 'taskId'));
  }
});

test('a running tool is moved to the background', async () => {
  const client = await world.connect();
  const folder = world.daemon.project();
  const gated = 'until [ -e go ]; do sleep 0.05; done; echo out';
  const started = await client.request('streamStart', {
    prompt: scenario({ tools: [{ name: 'Bash', input: { command: gated, description: 'x' } }] }, { text: 'On.' }),
    workingDirectory: folder,
    options: { allowedTools: ['Bash'] },
  });
  const { sessionId, promptId } = started.data;
  await client.waitFor(({ type, data }) => type === 'streamToolUse' && data.status === 'running');
  const moved = async () => {
    const { body } = await ask('POST', `${sessionId}/tasks/background`, {});
    shaped('backgroundTask', { body });
    return ((await ask('GET', `${sessionId}/tasks`)).body.tasks as unknown[]).length > 0;
  };
  await waitUntil('it is in the background', moved);
  expect((await completed(client, promptId)).data.finalResult).toBe('On.');
  writeFileSync(join(folder, 'go'), '');
});
