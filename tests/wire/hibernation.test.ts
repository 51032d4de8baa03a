/** A child that has nothing to do ends, and nobody misses it. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

const world = useWorld({ environment: { IDLE_HIBERNATE_MS: '300' } });

interface View {
  pid?: number;
  status: string;
  claudeSessionId: string;
}

const view = async (sessionId: string, of: World = world): Promise<View> =>
  (await (await of.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as View;

interface Held {
  sessionId: string;
  promptId: string;
  folder: string;
}

async function start(client: WireClient, prompt: string): Promise<Held> {
  const folder = world.daemon.project();
  const options = { allowedTools: ['Bash', 'Agent'] };
  const { data } = await client.request('streamStart', { prompt, workingDirectory: folder, options });
  return { sessionId: data.sessionId, promptId: data.promptId, folder };
}

const isEndOf =
  (promptId: unknown) =>
  ({ type, data }: Frame) =>
    type === 'streamComplete' && data.promptId === promptId;

const isStatus =
  (id: string, status: string) =>
  ({ type, data, seq }: Frame) =>
    seq !== undefined && type === 'sessionStatus' && data.sessionId === id && data.status === status;

const statuses = (client: WireClient, sessionId: string): string[] =>
  client.events(sessionId).flatMap(({ type, data }) => (type === 'sessionStatus' ? data.status : []));

const errors = (client: WireClient, sessionId: string): Frame[] =>
  client.events(sessionId).filter(({ type }) => type === 'error');

/** A word of one session that was said when all its events before it have come. */
const catchUp = (client: WireClient) => client.request('ping', {});

const nothingLeft = (sessionId: string) =>
  waitUntil('nothing of the child is left', () => {
    const folder = join(world.daemon.home, 'run', sessionId);
    return world.daemon.sessionProcesses(sessionId).length === 0 && !existsSync(folder);
  });

const hibernated = (client: WireClient, sessionId: string, from = 0) =>
  client.waitFor(isStatus(sessionId, 'hibernated'), from);

/** Another session becomes idle now and hibernates: whoever was idle before has had longer. */
async function timePasses(client: WireClient): Promise<void> {
  const { sessionId } = await start(client, scenario({ text: 'Short.' }));
  await hibernated(client, sessionId);
}

/** Where the CLI keeps the conversation. */
function transcriptOf({ daemon }: World, claudeSessionId: string): string {
  const projects = join(daemon.home, '../home/.claude/projects');
  const [path] = readdirSync(projects).flatMap((project) => {
    const transcript = join(projects, project, `${claudeSessionId}.jsonl`);
    return existsSync(transcript) ? transcript : [];
  });
  return path ?? '';
}

/** The CLI writes its transcript behind its output: 2.1.197 has none yet when it tells its first result. */
const written = async (of: World, sessionId: string, text: string) => {
  const { claudeSessionId } = await view(sessionId, of);
  await waitUntil('the transcript has it', () => {
    const path = transcriptOf(of, claudeSessionId);
    return path !== '' && readFileSync(path, 'utf8').includes(text);
  });
};

/** What a prompt that follows is answered, and with which history the API was asked for it. */
async function goOn(client: WireClient, sessionId: string) {
  const asked = world.api.requests.length;
  const { data } = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'And on.' }) });
  const end = await client.waitFor(isEndOf(data.promptId));
  return { answer: end.data.finalResult, history: JSON.stringify(world.api.requests[asked]?.messages) };
}

/** The device comes back after the daemon was killed. */
async function afterKill(client: WireClient, between: () => void = () => {}): Promise<WireClient> {
  await world.daemon.kill('SIGKILL');
  between();
  await world.daemon.start();
  return world.connect({ deviceId: client.deviceId });
}

describe('an idle child', () => {
  test('H3: who follows a session that has no child is told that it is closed when it is purged', async () => {
    const client = await world.connect();
    const { sessionId } = await start(client, '');
    await hibernated(client, sessionId);
    const answer = await world.daemon.fetch(`/api/sessions/${sessionId}?purge=true`, { method: 'DELETE' });
    expect(answer.status).toBe(200);
    expect((await client.waitFor(isStatus(sessionId, 'closed'))).data).toMatchObject({ reason: 'purged' });
    await waitUntil(
      'it is forgotten',
      async () => (await world.daemon.fetch(`/api/sessions/${sessionId}`)).status === 404,
    );
  });

  test('H3: ends, which is told once, and the next prompt goes on with the same conversation', async () => {
    const client = await world.connect({ deviceId: 'idle' });
    const { sessionId } = await start(client, `First asked. ${scenario({ text: 'First answered.' })}`);
    await hibernated(client, sessionId);
    await nothingLeft(sessionId);
    const { claudeSessionId, pid } = await view(sessionId);
    expect(pid).toBeUndefined();
    await catchUp(client);
    const told = statuses(client, sessionId);
    expect(told.slice(told.indexOf('idle'))).toEqual(['idle', 'hibernated']);
    expect(errors(client, sessionId)).toEqual([]);
    const { answer, history } = await goOn(client, sessionId);
    expect(answer).toBe('And on.');
    expect(history).toContain('First asked.');
    expect(history).toContain('First answered.');
    expect((await view(sessionId)).claudeSessionId).toBe(claudeSessionId);
  });

  test('that was only opened ends too', async () => {
    const client = await world.connect();
    const { sessionId } = await start(client, '');
    await hibernated(client, sessionId);
    await nothingLeft(sessionId);
    expect(statuses(client, sessionId).at(-1)).toBe('hibernated');
  });

  test('I1: that ends when a prompt comes: the prompt runs, by the next child', async () => {
    const client = await world.connect();
    const { sessionId, promptId } = await start(client, scenario({ text: 'Before.' }));
    await client.waitFor(isEndOf(promptId));
    const { pid = 0 } = await view(sessionId);
    process.kill(pid, 'SIGSTOP');
    await hibernated(client, sessionId);
    const next = await client.request('streamSend', {
      sessionId,
      prompt: `late ${sessionId} ${scenario({ text: 'After.' })}`,
    });
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGCONT');
    const end = await client.waitFor(isEndOf(next.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'After.' });
    expect(world.api.runs(`late ${sessionId}`)).toBe(1);
    expect((await view(sessionId)).pid).not.toBe(pid);
    expect(errors(client, sessionId)).toEqual([]);
  });
});

test('a choice of model while the child ends is taken at once, and is for the next child', async () => {
  const client = await world.connect();
  const { sessionId, promptId } = await start(client, scenario({ text: 'Before.' }));
  await client.waitFor(isEndOf(promptId));
  const { pid = 0 } = await view(sessionId);
  process.kill(pid, 'SIGSTOP');
  await hibernated(client, sessionId);
  const answer = await client.request('setModel', { sessionId, model: 'claude-sonnet-4-5' });
  expect(answer.type).toBe('sessionStatus');
  expect(isAlive(pid)).toBe(true);
  process.kill(pid, 'SIGCONT');
  await goOn(client, sessionId);
  expect(world.api.requests.at(-1)).toMatchObject({ model: 'claude-sonnet-4-5' });
});

test('a session whose transcript is gone meanwhile begins another conversation, and the prompt runs', async () => {
  const client = await world.connect();
  const { sessionId } = await start(client, scenario({ text: 'Before.' }));
  await hibernated(client, sessionId);
  await nothingLeft(sessionId);
  const { claudeSessionId } = await view(sessionId);
  rmSync(transcriptOf(world, claudeSessionId));
  expect((await goOn(client, sessionId)).answer).toBe('And on.');
  expect((await view(sessionId)).claudeSessionId).not.toBe(claudeSessionId);
  expect(errors(client, sessionId)).toMatchObject([{ data: { code: 'NOT_FOUND' } }]);
});

describe('a child stays', () => {
  test('I2: while a permission request is open', async () => {
    const client = await world.connect();
    const tool = { name: 'Write', input: { file_path: join(world.daemon.root, 'asked.txt'), content: 'x' } };
    const { sessionId, promptId } = await start(client, scenario({ tools: [tool] }, { text: 'Answered.' }));
    const asked = await client.waitFor('permissionRequest');
    const { pid } = await view(sessionId);
    await timePasses(client);
    expect(await view(sessionId)).toMatchObject({ pid, status: 'waiting' });
    const { permissionId } = asked.data;
    await client.request('permission', { sessionId, permissionId, response: 'n', remember: false });
    await client.waitFor(isEndOf(promptId));
    await hibernated(client, sessionId);
    await nothingLeft(sessionId);
  });

  test('while a turn runs and a prompt waits for its end', async () => {
    const client = await world.connect();
    const { sessionId, promptId } = await start(client, scenario({ text: 'First.', gate: 'a-turn' }));
    await world.api.reached('a-turn');
    const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Second.' }) });
    const { pid } = await view(sessionId);
    await timePasses(client);
    expect(await view(sessionId)).toMatchObject({ pid, status: 'working' });
    world.api.release('a-turn');
    await client.waitFor(isEndOf(promptId));
    await client.waitFor(isEndOf(next.data.promptId));
    await hibernated(client, sessionId);
    expect(statuses(client, sessionId).filter((status) => status === 'hibernated')).toHaveLength(1);
  });

  test('while something runs that a tool has left behind', async () => {
    const client = await world.connect();
    // 2.1.329 runs no command that begins with `sleep`.
    const command = 'echo q; sleep 1000 & echo $! > left.pid';
    const tool = { name: 'Bash', input: { command, description: 'x' } };
    const { sessionId, promptId, folder } = await start(client, scenario({ tools: [tool] }, { text: 'Left.' }));
    await client.waitFor(isEndOf(promptId));
    const { pid } = await view(sessionId);
    await timePasses(client);
    await timePasses(client);
    expect(await view(sessionId)).toMatchObject({ pid, status: 'idle' });
    const left = Number(readFileSync(join(folder, 'left.pid'), 'utf8'));
    expect(isAlive(left)).toBe(true);
    process.kill(left, 'SIGTERM');
    await hibernated(client, sessionId);
    await nothingLeft(sessionId);
  });
});

describe.each([
  ['', false],
  [' and the daemon was killed meanwhile', true],
])('what outlives a turn holds the child, until the turn that its end starts is over', (when, isKilled) => {
  async function outlives(client: WireClient, { sessionId, promptId }: Held, end: () => void): Promise<void> {
    await client.waitFor(isEndOf(promptId));
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && Array.isArray(data.background));
    const { pid } = await view(sessionId);
    const later = isKilled ? await afterKill(client) : client;
    if (isKilled) await later.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === sessionId);
    await timePasses(later);
    await timePasses(later);
    expect(await view(sessionId)).toMatchObject({ pid, status: 'idle' });
    end();
    const own = await later.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.sessionId === sessionId && data.promptId === undefined,
    );
    expect(own.data.finalResult).toBe('It has ended.');
    await hibernated(later, sessionId);
    await nothingLeft(sessionId);
    expect(errors(later, sessionId)).toEqual([]);
  }

  test(`H2: a shell in the background${when}`, async () => {
    const client = await world.connect({ deviceId: `shell-${isKilled}` });
    const command = 'until [ -e go ]; do sleep 0.05; done';
    const tool = { name: 'Bash', input: { command, description: 'x', run_in_background: true } };
    const held = await start(client, scenario({ tools: [tool] }, { text: 'Started.' }, { text: 'It has ended.' }));
    await outlives(client, held, () => writeFileSync(join(held.folder, 'go'), ''));
  });

  test(`H2: an agent in the background${when}`, async () => {
    const client = await world.connect({ deviceId: `agent-${isKilled}` });
    const gate = `agent-${isKilled}`;
    const prompt = scenario({ text: 'Found.', gate });
    const input = { description: 'A helper', prompt, subagent_type: 'general-purpose', run_in_background: true };
    const tools = [{ name: 'Agent', input }];
    const held = await start(client, scenario({ tools }, { text: 'Started.' }, { text: 'It has ended.' }));
    await outlives(client, held, () => world.api.release(gate));
  });
});

describe('a daemon that is killed', () => {
  test.each([
    ['goes on ending after it', false],
    ['has ended before the next one comes', true],
  ])('while a child hibernates, which %s: no error, and the conversation goes on', async (_, isGone) => {
    const before = await world.connect({ deviceId: `hibernating-${isGone}` });
    const { sessionId, promptId } = await start(before, `Said before. ${scenario({ text: 'Before.' })}`);
    await before.waitFor(isEndOf(promptId));
    await written(world, sessionId, 'Before.');
    const { pid = 0 } = await view(sessionId);
    process.kill(pid, 'SIGSTOP');
    await hibernated(before, sessionId);
    const client = await afterKill(before, () => {
      if (isGone) process.kill(pid, 'SIGKILL');
    });
    if (!isGone) process.kill(pid, 'SIGCONT');
    await client.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === sessionId);
    await nothingLeft(sessionId);
    const { answer, history } = await goOn(client, sessionId);
    expect(answer).toBe('And on.');
    expect(history).toContain('Said before.');
    expect(errors(client, sessionId)).toEqual([]);
  });

  test.each([
    ['as soon as the prompt is accepted', false],
    ['when the child is there', true],
  ])('I1: while a child resumes, %s: the prompt runs once', async (_, isThere) => {
    const before = await world.connect({ deviceId: `resuming-${isThere}` });
    const { sessionId } = await start(before, `Said before. ${scenario({ text: 'Before.' })}`);
    await hibernated(before, sessionId);
    await nothingLeft(sessionId);
    const mark = `resumed ${sessionId}`;
    const prompt = `${mark} ${scenario({ text: 'Resumed.' })}`;
    const { data } = await before.request('streamSend', { sessionId, prompt });
    if (isThere) await world.daemon.until(() => world.daemon.sessionProcesses(sessionId).length > 0);
    const client = await afterKill(before);
    const end = await client.waitFor(isEndOf(data.promptId));
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Resumed.' });
    expect(world.api.runs(mark)).toBe(1);
    expect(JSON.stringify(world.api.requests.at(-1)?.messages)).toContain('Said before.');
    await client.waitFor(isStatus(sessionId, 'hibernated'), client.frames.indexOf(end));
    expect(errors(client, sessionId)).toEqual([]);
  });
});

describe('long before it would hibernate, an idle child', () => {
  const patient = useWorld();
  const fake = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });

  const startFake = async (client: WireClient, ...acts: object[]) =>
    client.request('streamStart', { prompt: JSON.stringify(acts), workingDirectory: fake.daemon.project() });

  test('that has written more than 64 MiB ends as soon as its turn has', async () => {
    const client = await fake.connect();
    const big = { bigResult: 33 * 1024 * 1024 };
    const { data } = await startFake(client, big, big, { result: 'Much.' });
    const { sessionId } = data;
    await client.waitFor(isEndOf(data.promptId));
    await hibernated(client, sessionId);
    const next = await client.request('streamSend', { sessionId, prompt: '[{"result":"Little."}]' });
    const end = await client.waitFor(isEndOf(next.data.promptId));
    expect(end.data.finalResult).toBe('Little.');
    await catchUp(client);
    expect(statuses(client, sessionId).at(-1)).toBe('idle');
    // The stand-in writes no transcript.
    expect(errors(client, sessionId)).toMatchObject([{ data: { code: 'NOT_FOUND' } }]);
  });

  test('that ends by itself without a fault has hibernated', async () => {
    const client = await fake.connect();
    const { data } = await startFake(client, { result: 'Gone.' }, { exit: 0 });
    const end = await client.waitFor(isEndOf(data.promptId));
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Gone.' });
    await hibernated(client, data.sessionId);
    await catchUp(client);
    expect(errors(client, data.sessionId)).toEqual([]);
  });

  test('that is killed is told with an error, and the next prompt goes on with the conversation', async () => {
    const client = await patient.connect();
    const { data } = await client.request('streamStart', {
      prompt: `Said before. ${scenario({ text: 'Before.' })}`,
      workingDirectory: patient.daemon.project(),
    });
    const { sessionId } = data;
    await client.waitFor(isEndOf(data.promptId));
    await written(patient, sessionId, 'Before.');
    const { pid = 0 } = await view(sessionId, patient);
    process.kill(pid, 'SIGKILL');
    const error = await client.waitFor('error');
    expect(error.data).toMatchObject({ sessionId, code: 'CLAUDE_UNAVAILABLE' });
    expect(error.data.message).toContain('SIGKILL');
    await hibernated(client, sessionId);
    const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'And on.' }) });
    expect((await client.waitFor(isEndOf(next.data.promptId))).data.finalResult).toBe('And on.');
    expect(JSON.stringify(patient.api.requests.at(-1)?.messages)).toContain('Said before.');
    expect(errors(client, sessionId)).toHaveLength(1);
  });
});
