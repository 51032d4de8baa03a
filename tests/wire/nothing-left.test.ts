/** What a child's tools start is gone with the session, however it was started. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const foreign: (() => void)[] = [];
afterAll(() => {
  for (const end of foreign) end();
});

interface Recorded {
  pid: number;
  startTime: string;
  childId: string;
  seen?: { pid: number; group: number; startTime: string }[];
}

const recordPath = (sessionId: string) => join(world.daemon.home, 'run', sessionId, 'process.json');
const readRecord = (sessionId: string) => JSON.parse(readFileSync(recordPath(sessionId), 'utf8')) as Recorded;

const allRecords = (): Recorded[] =>
  readdirSync(join(world.daemon.home, 'run'))
    .filter((sessionId) => existsSync(recordPath(sessionId)))
    .map(readRecord);

let seconds = 1000 + (process.pid % 500) * 1000;
/** A `sleep` that no other test has, so that it can be found without a marker. */
const aSleep = () => {
  seconds += 1;
  return `sleep ${seconds}`;
};

/** Pids of live processes with exactly this command line. */
const running = (command: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && commandOf(name) === command)
    .map(Number);

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').slice(0, -1).join(' ');
  } catch {
    return '';
  }
}

/** A client that allows whatever is asked. */
async function connect(): Promise<WireClient> {
  const client: WireClient = await world.connect({
    onFrame: ({ type, data: { sessionId, permissionId } }) => {
      if (type === 'permissionRequest')
        client.send('permission', { sessionId, permissionId, response: 'y', remember: false });
    },
  });
  return client;
}

/** A session whose only turn has run this command. */
async function afterTool(
  client: WireClient,
  command: string,
  more: object = {},
): Promise<{ sessionId: string; pid: number }> {
  const tool = { name: 'Bash', input: { command, description: 'x', ...more } };
  const { data } = await client.request('streamStart', {
    prompt: scenario({ tools: [tool] }, { text: 'Done.' }),
    workingDirectory: world.daemon.project(),
    options: { allowedTools: ['Bash'] },
  });
  await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  return { sessionId: data.sessionId, pid: readRecord(data.sessionId).pid };
}

const background = (sleep: string) => `echo started; ${sleep} & echo hi`;

describe.each([
  ['in the background', background],
  ['in a session of its own without an environment', (sleep: string) => `echo q; setsid env -i ${sleep} & echo hi`],
  ['without an environment in a session of its own', (sleep: string) => `echo q; env -i setsid ${sleep} & echo hi`],
  [
    'without an environment, by two parents that have ended',
    (sleep: string) => `echo q; (env -i setsid sh -c '${sleep} & ${sleep} &' &)`,
  ],
])('a process that a tool has started %s', (_, command) => {
  test('H3: ends with the session', async () => {
    const client = await connect();
    const sleep = aSleep();
    const { sessionId, pid } = await afterTool(client, command(sleep));
    await waitUntil('it runs', () => running(sleep).length > 0);
    await client.request('streamClose', { sessionId, reason: 'test' });
    // A zombie counts as ended for the daemon, and is there until its last thread has ended.
    await waitUntil('it has ended, and the child', () => running(sleep).length === 0 && !isAlive(pid));
    await waitUntil('nothing of the session is left', () => world.daemon.sessionProcesses(sessionId).length === 0);
  });

  test('H3: ends when its child was killed', async () => {
    const client = await connect();
    const sleep = aSleep();
    const { pid } = await afterTool(client, command(sleep));
    await waitUntil('it runs', () => running(sleep).length > 0);
    process.kill(pid, 'SIGKILL');
    await waitUntil('it has ended', () => running(sleep).length === 0);
  });

  test('H3: ends when its child was killed while there was no daemon', async () => {
    const client = await connect();
    const sleep = aSleep();
    const { pid } = await afterTool(client, command(sleep));
    await world.daemon.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await waitUntil('it runs', () => running(sleep).length > 0);
    await world.daemon.start();
    await waitUntil('it has ended', () => running(sleep).length === 0);
  });
});

test('H3: one without environment and with an output of its own ends too, when its shell was there to be seen', async () => {
  const client = await connect();
  const sleep = aSleep();
  const gate = join(world.daemon.root, `gate-${seconds}`);
  const command = `env -i setsid ${sleep} > /dev/null 2>&1 & until [ -e ${gate} ]; do sleep 0.1; done`;
  const turn = afterTool(client, command);
  await waitUntil('it runs', () => running(sleep).length === 1);
  const [pid] = running(sleep);
  await waitUntil('it is on record', () => allRecords().some(({ seen }) => seen?.some((one) => one.pid === pid)));
  writeFileSync(gate, '');
  const { sessionId } = await turn;
  await client.request('streamClose', { sessionId, reason: 'test' });
  await waitUntil('it has ended', () => running(sleep).length === 0);
});

test('H3: a stopped child ends too, with what it has started', async () => {
  const client = await connect();
  const sleep = aSleep();
  const { sessionId, pid } = await afterTool(client, background(sleep));
  process.kill(pid, 'SIGSTOP');
  await client.request('streamClose', { sessionId, reason: 'test' });
  await waitUntil('both have ended', () => running(sleep).length === 0 && !isAlive(pid));
});

test('H3: what a background task runs is on record while it runs', async () => {
  const client = await connect();
  const sleep = aSleep();
  const { sessionId, pid } = await afterTool(client, sleep, { run_in_background: true });
  await waitUntil('it runs', () => running(sleep).length > 0);
  const [task] = running(sleep);
  await waitUntil('it is on record', () => readRecord(sessionId).seen?.some((one) => one.pid === task) ?? false);
  expect(readRecord(sessionId).seen?.find((one) => one.pid === task)?.group).not.toBe(pid);
  await client.request('streamClose', { sessionId, reason: 'test' });
  await waitUntil('it has ended', () => running(sleep).length === 0);
});

test('H3: a pid on record that is another process by now is left alone, and its child counts as gone', async () => {
  const client = await connect();
  const { sessionId, pid } = await afterTool(client, 'echo hi');
  const innocent = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
  foreign.push(() => innocent.kill('SIGKILL'));
  const { pid: other = 0 } = innocent;
  await world.daemon.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  const record = readRecord(sessionId);
  const stale = { pid: other, group: other, startTime: record.startTime };
  writeFileSync(recordPath(sessionId), JSON.stringify({ ...record, ...stale, seen: [stale] }));
  await world.daemon.start();
  const after = await world.connect({ deviceId: client.deviceId });
  const sent = await after.request('streamSend', { sessionId, prompt: scenario({ text: 'By another.' }) });
  const end = await after.waitFor(
    ({ type, data }) => type === 'streamComplete' && data.promptId === sent.data.promptId,
  );
  expect(end.data.finalResult).toBe('By another.');
  expect(readRecord(sessionId).pid).not.toBe(other);
  await after.request('streamClose', { sessionId, reason: 'test' });
  await waitUntil('its folder is gone', () => !readdirSync(join(world.daemon.home, 'run')).includes(sessionId));
  expect(innocent.exitCode ?? innocent.signalCode).toBeNull();
  expect(isAlive(other)).toBe(true);
});

test('H3: a process of another boot with the same pid and start is another process', async () => {
  const client = await connect();
  const { sessionId, pid } = await afterTool(client, 'echo hi');
  await world.daemon.kill('SIGKILL');
  const record = readRecord(sessionId);
  const [ticks] = record.startTime.split('@');
  const startTime = `${ticks}@00000000-0000-0000-0000-000000000000`;
  process.kill(pid, 'SIGSTOP');
  const innocent = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
  foreign.push(() => innocent.kill('SIGKILL'));
  const { pid: other = 0 } = innocent;
  const [started] = readFileSync(`/proc/${other}/stat`, 'latin1').split(') ')[1]?.split(' ').slice(19) ?? [];
  const stale = { pid: other, group: other, startTime: startTime.replace(String(ticks), String(started)) };
  writeFileSync(recordPath(sessionId), JSON.stringify({ ...record, ...stale, seen: [stale] }));
  await world.daemon.start();
  const view = async () => (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json() as Promise<{ pid?: number }>;
  await waitUntil('the real child is swept', () => !isAlive(pid));
  expect((await view()).pid).not.toBe(other);
  expect(isAlive(other)).toBe(true);
});

test('H3: a question to a CLI of its own, in the middle of which the daemon is killed, leaves neither process nor folder', async () => {
  const client = await connect();
  const prompt = scenario({ text: 'Nobody waits for this.', gate: 'question' });
  // Its answer dies with the daemon.
  client.request('ask', { prompt }).catch(() => {});
  await world.api.reached('question');
  const folder = join(world.daemon.home, 'ask');
  const [id] = readdirSync(folder);
  expect(world.daemon.sessionProcesses(`ask-${id}`)).toHaveLength(1);
  await world.daemon.restart('SIGKILL');
  expect(world.daemon.sessionProcesses(`ask-${id}`)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
  world.api.release('question');
});
