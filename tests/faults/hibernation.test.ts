/** A child that has nothing to do ends, and nobody misses it. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useSharedDirectory } from '../support/shared-directory.js';
import { transcriptOf, written } from '../support/transcript.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { connect, type Frame, type WireClient } from '../support/wire-client.js';
import { useWorld, type World } from '../support/world.js';

const HASTY = { IDLE_HIBERNATE_MS: '300' };
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: HASTY });
/** For what the daemon does alike whatever the CLI says. */
const standIn = useWorld({ environment: { ...HASTY, CLAUDE_PATH } });
const sharedDirectory = useSharedDirectory(world);
afterEach(() => world.disconnect());

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

async function start(client: WireClient, prompt: string, folder = world.daemon.project()): Promise<Held> {
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

const nothingLeft = (sessionId: string, { daemon }: World = world) =>
  waitUntil('nothing of the child is left', () => {
    const folder = join(daemon.home, 'run', sessionId);
    return daemon.sessionProcesses(sessionId).length === 0 && !existsSync(folder);
  });

async function startFake({ daemon }: World, client: WireClient, ...acts: object[]): Promise<Held> {
  const folder = daemon.project();
  const prompt = acts.length === 0 ? '' : JSON.stringify(acts);
  const { data } = await client.request('streamStart', { prompt, workingDirectory: folder });
  return { sessionId: data.sessionId, promptId: data.promptId, folder };
}

/** Of a child that is there. */
async function pidOf(sessionId: string, of: World = world): Promise<number> {
  const { pid } = await view(sessionId, of);
  if (pid === undefined) throw new Error(`the session ${sessionId} has no child`);
  return pid;
}

const hibernated = (client: WireClient, sessionId: string, from = 0) =>
  client.waitFor(isStatus(sessionId, 'hibernated'), from);

/** Another session becomes idle now and hibernates: whoever was idle before has had longer. */
async function timePasses(of: World, begin: (client: WireClient) => Promise<Held>): Promise<void> {
  const client = await of.connect();
  const { sessionId } = await begin(client);
  await hibernated(client, sessionId);
}

/** What a prompt that follows is answered, and with which history the API was asked for it. */
async function goOn(client: WireClient, sessionId: string) {
  const asked = world.api.requests.length;
  const { data } = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'And on.' }) });
  const end = await client.waitFor(isEndOf(data.promptId));
  return { answer: end.data.finalResult, history: JSON.stringify(world.api.requests[asked]?.messages) };
}

describe('an idle child', () => {
  test('that was only opened ends too; H3: who follows the session is told that it is closed when it is purged', async () => {
    const client = await standIn.connect();
    const { sessionId } = await startFake(standIn, client);
    await hibernated(client, sessionId);
    await nothingLeft(sessionId, standIn);
    expect(statuses(client, sessionId).at(-1)).toBe('hibernated');
    const answer = await standIn.daemon.fetch(`/api/sessions/${sessionId}?purge=true`, { method: 'DELETE' });
    expect(answer.status).toBe(200);
    expect((await client.waitFor(isStatus(sessionId, 'closed'))).data).toMatchObject({ reason: 'purged' });
    await waitUntil(
      'it is forgotten',
      async () => (await standIn.daemon.fetch(`/api/sessions/${sessionId}`)).status === 404,
    );
  });

  test('H3: ends, which is told once, and the next prompt goes on with the same conversation', async () => {
    const client = await world.connect({ deviceId: 'idle' });
    const { sessionId } = await start(
      client,
      `First asked. ${scenario({ text: 'First answered.' })}`,
      await sharedDirectory(),
    );
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

  test('I1: that ends when a model is chosen and a prompt comes: the prompt runs, by the next child, with that model', async () => {
    const client = await world.connect();
    const { sessionId, promptId } = await start(client, scenario({ text: 'Before.' }), await sharedDirectory());
    await client.waitFor(isEndOf(promptId));
    const pid = await pidOf(sessionId);
    process.kill(pid, 'SIGSTOP');
    await hibernated(client, sessionId);
    const chosen = await client.request('setModel', { sessionId, model: 'claude-sonnet-4-5' });
    expect(chosen.type).toBe('sessionStatus');
    const next = await client.request('streamSend', {
      sessionId,
      prompt: `late ${sessionId} ${scenario({ text: 'After.' })}`,
    });
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGCONT');
    const end = await client.waitFor(isEndOf(next.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'After.' });
    expect(world.api.runs(`late ${sessionId}`)).toBe(1);
    expect(world.api.requests.at(-1)).toMatchObject({ model: 'claude-sonnet-4-5' });
    expect((await view(sessionId)).pid).not.toBe(pid);
    expect(errors(client, sessionId)).toEqual([]);
  });

  test('whose transcript is gone meanwhile: the session begins another conversation, and the prompt runs', async () => {
    const client = await world.connect();
    const { sessionId } = await start(client, scenario({ text: 'Before.' }), await sharedDirectory());
    await hibernated(client, sessionId);
    await nothingLeft(sessionId);
    const { claudeSessionId } = await view(sessionId);
    rmSync(transcriptOf(world.daemon, claudeSessionId));
    expect((await goOn(client, sessionId)).answer).toBe('And on.');
    expect((await view(sessionId)).claudeSessionId).not.toBe(claudeSessionId);
    expect(errors(client, sessionId)).toMatchObject([{ data: { code: 'NOT_FOUND' } }]);
  });
});

describe('a child stays', () => {
  const passing = async () => timePasses(standIn, (client) => startFake(standIn, client, { result: 'Short.' }));

  test('I2: while a permission request is open', async () => {
    const client = await standIn.connect();
    const request = { subtype: 'can_use_tool', tool_name: 'Write', tool_use_id: 't1', input: { file_path: '/etc/x' } };
    const asking = { line: { type: 'control_request', request_id: 'r1', request } };
    const { sessionId, promptId } = await startFake(standIn, client, asking, { waitForAnswer: 'r1' });
    const asked = await client.waitFor('permissionRequest');
    const { pid } = await view(sessionId, standIn);
    await passing();
    expect(pid).toEqual(expect.any(Number));
    expect(await view(sessionId, standIn)).toMatchObject({ pid, status: 'waiting' });
    const { permissionId } = asked.data;
    await client.request('permission', { sessionId, permissionId, response: 'n', remember: false });
    await client.waitFor(isEndOf(promptId));
    await hibernated(client, sessionId);
    await nothingLeft(sessionId, standIn);
  });

  test('while a turn runs and a prompt waits for its end', async () => {
    const client = await standIn.connect();
    const acts = [{ until: 'finish' }, { result: 'First.' }];
    const { sessionId, promptId, folder } = await startFake(standIn, client, ...acts);
    await client.waitFor('systemInit');
    const next = await client.request('streamSend', { sessionId, prompt: 'Second.' });
    const { pid } = await view(sessionId, standIn);
    await passing();
    expect(pid).toEqual(expect.any(Number));
    expect(await view(sessionId, standIn)).toMatchObject({ pid, status: 'working' });
    writeFileSync(join(folder, 'finish'), '');
    await client.waitFor(isEndOf(promptId));
    await client.waitFor(isEndOf(next.data.promptId));
    await hibernated(client, sessionId);
    expect(statuses(client, sessionId).filter((status) => status === 'hibernated')).toHaveLength(1);
  });
});

interface Kept extends Held {
  client: WireClient;
  pid: number;
  end: () => void;
}

const isHeld = ({ type, data }: Frame) => type === 'sessionStatus' && Array.isArray(data.background);

/** A session whose turn is over, and whose tool has left something running. */
async function keptBy(deviceId: string, name: string, input: object): Promise<Kept> {
  const client = await connect(world.daemon, { deviceId });
  const tools = [{ name, input: { description: 'x', ...input } }];
  const held = await start(client, scenario({ tools }, { text: 'Started.' }, { text: 'It has ended.' }));
  await client.waitFor(isEndOf(held.promptId));
  return { ...held, client, pid: await pidOf(held.sessionId), end: () => writeFileSync(join(held.folder, 'go'), '') };
}

async function keptByShell(deviceId: string): Promise<Kept> {
  const command = 'until [ -e go ]; do sleep 0.05; done';
  const kept = await keptBy(deviceId, 'Bash', { command, run_in_background: true });
  await kept.client.waitFor(isHeld);
  return kept;
}

async function keptByAgent(deviceId: string): Promise<Kept> {
  const gate = `ends ${deviceId}`;
  const prompt = scenario({ text: 'Found.', gate });
  const agent = { prompt, subagent_type: 'general-purpose', run_in_background: true };
  const kept = await keptBy(deviceId, 'Agent', agent);
  await kept.client.waitFor(isHeld);
  return { ...kept, end: () => world.api.release(gate) };
}

async function staysUntilItsTurn(client: WireClient, { sessionId, pid, end }: Kept): Promise<void> {
  expect(await view(sessionId)).toMatchObject({ pid, status: 'idle' });
  end();
  const own = await client.waitFor(
    ({ type, data }) => type === 'streamComplete' && data.sessionId === sessionId && data.promptId === undefined,
  );
  expect(own.data.finalResult).toBe('It has ended.');
  await hibernated(client, sessionId);
  await nothingLeft(sessionId);
  expect(errors(client, sessionId)).toEqual([]);
}

describe('what outlives a turn holds the child', () => {
  let shell: Kept;
  let agent: Kept;
  let left: Kept;

  beforeAll(async () => {
    shell = await keptByShell('shell');
    agent = await keptByAgent('agent');
    // 2.1.329 runs no command that begins with `sleep`.
    left = await keptBy('left', 'Bash', { command: 'echo q; sleep 1000 & echo $! > left.pid' });
    await timePasses(world, (client) => start(client, scenario({ text: 'Short.' })));
  });

  test('H2: a shell in the background, until the turn that its end starts is over', async () => {
    await staysUntilItsTurn(shell.client, shell);
  });

  test('H2: an agent in the background, until the turn that its end starts is over', async () => {
    await staysUntilItsTurn(agent.client, agent);
  });

  test('something that a tool has left behind', async () => {
    const { client, sessionId, pid, folder } = left;
    expect(await view(sessionId)).toMatchObject({ pid, status: 'idle' });
    const sleeping = Number(readFileSync(join(folder, 'left.pid'), 'utf8'));
    expect(isAlive(sleeping)).toBe(true);
    process.kill(sleeping, 'SIGTERM');
    await hibernated(client, sessionId);
    await nothingLeft(sessionId);
  });
});

describe('a daemon that is killed', () => {
  /** Sessions without a child, in whose conversation `Said before.` was said. */
  const asleep: string[] = [];

  /** A session whose child has been told to end, and does not yet. */
  async function ending(deviceId: string): Promise<{ client: WireClient; sessionId: string; pid: number }> {
    const client = await world.connect({ deviceId });
    const { sessionId, promptId } = await start(client, `Said before. ${scenario({ text: 'Before.' })}`);
    await client.waitFor(isEndOf(promptId));
    await written(world.daemon, (await view(sessionId)).claudeSessionId, 'Before.');
    const pid = await pidOf(sessionId);
    process.kill(pid, 'SIGSTOP');
    await hibernated(client, sessionId);
    return { client, sessionId, pid };
  }

  test('H2: what outlives a turn holds the child; of one that hibernates there is no error, and the conversation goes on', async () => {
    const kept = [await keptByShell('shell-killed'), await keptByAgent('agent-killed')];
    const [slow, gone] = [await ending('slow'), await ending('gone')];
    await world.daemon.kill('SIGKILL');
    process.kill(gone.pid, 'SIGKILL');
    await world.daemon.start();
    process.kill(slow.pid, 'SIGCONT');
    for (const { client: before, sessionId } of [slow, gone]) {
      const client = await world.connect({ deviceId: before.deviceId });
      await client.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === sessionId);
      await nothingLeft(sessionId);
      const { answer, history } = await goOn(client, sessionId);
      expect(answer).toBe('And on.');
      expect(history).toContain('Said before.');
      expect(errors(client, sessionId)).toEqual([]);
      // Those that are kept have been idle for longer.
      await client.waitFor(isStatus(sessionId, 'idle'));
      await hibernated(client, sessionId, client.frames.findLastIndex(isStatus(sessionId, 'idle')));
      await nothingLeft(sessionId);
      asleep.push(sessionId);
    }
    for (const one of kept) {
      const later = await world.connect({ deviceId: one.client.deviceId });
      await later.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === one.sessionId);
      await staysUntilItsTurn(later, one);
    }
  });

  test('I1: while a child resumes, as soon as the prompt is accepted or when the child is there: the prompt runs once', async () => {
    const resuming = async (deviceId: string) => {
      const client = await world.connect({ deviceId });
      const sessionId =
        asleep.pop() ?? (await start(client, `Said before. ${scenario({ text: 'Before.' })}`)).sessionId;
      await client.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
      await waitUntil('it hibernates', async () => (await view(sessionId)).status === 'hibernated');
      await nothingLeft(sessionId);
      return { client, sessionId, mark: `resumed ${sessionId}` };
    };
    const resume = async ({ client, sessionId, mark }: Awaited<ReturnType<typeof resuming>>) =>
      client.request('streamSend', { sessionId, prompt: `${mark} ${scenario({ text: 'Resumed.' })}` });
    const both = [await resuming('there'), await resuming('accepted')] as const;
    const [there, accepted] = both;
    const prompts = [await resume(there)];
    await world.daemon.until(() => world.daemon.sessionProcesses(there.sessionId).length > 0);
    prompts.push(await resume(accepted));
    await world.daemon.restart('SIGKILL');
    for (const [index, { client: before, sessionId, mark }] of both.entries()) {
      const client = await world.connect({ deviceId: before.deviceId });
      const end = await client.waitFor(isEndOf(prompts[index]?.data.promptId));
      expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Resumed.' });
      expect(world.api.runs(mark)).toBe(1);
      const asked = world.api.requests.find(({ messages }) => JSON.stringify(messages).includes(mark));
      expect(JSON.stringify(asked?.messages)).toContain('Said before.');
      await client.waitFor(isStatus(sessionId, 'hibernated'), client.frames.indexOf(end));
      expect(errors(client, sessionId)).toEqual([]);
    }
  });
});
