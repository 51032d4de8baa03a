/** What becomes of children whose daemon does not come back. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Daemon, MAIN, startDaemon } from '../support/daemon.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { connect, type WireClient } from '../support/wire-client.js';

const GRACE_MS = 1500;
/** Longer than three daemons take to start on a busy machine. */
const LONG_GRACE_MS = 60_000;
const WAIT_MS = 5000;

let api: ScriptedApi;
let daemon: Daemon;
const clients: WireClient[] = [];

beforeAll(async () => {
  api = await startScriptedApi();
});
afterAll(() => api.close());

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  await daemon.stop();
});

/** A daemon of its own, and a device of it. */
async function begin(graceMs = GRACE_MS): Promise<WireClient> {
  const environment = { ORPHAN_GRACE_MS: String(graceMs), ORPHAN_WAIT_MS: String(WAIT_MS) };
  daemon = await startDaemon({ apiUrl: api.url, environment });
  return device();
}

async function device(deviceId = 'phone'): Promise<WireClient> {
  const client = await connect(daemon, { deviceId });
  clients.push(client);
  return client;
}

interface Held {
  sessionId: string;
  pid: number;
  promptId: string;
}

async function open(client: WireClient, prompt: string): Promise<Held> {
  const { data } = await client.request('streamStart', { prompt, workingDirectory: daemon.project() });
  const { sessionId, promptId } = data;
  await client.waitFor(({ type, data: { sessionId: id } }) => type === 'systemInit' && id === sessionId);
  const { pid } = (await (await daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid: number };
  return { sessionId, promptId, pid };
}

async function openIdle(client: WireClient): Promise<Held> {
  const held = await open(client, scenario({ text: 'Done.' }));
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === held.promptId);
  return held;
}

/** Pids of all that was started with this daemon's home for persons: children, tools, the watch. */
const started = (): number[] => processesWith(`HOME=${join(daemon.home, '../home')}\0`);

function processesWith(entry: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && readProc(name, 'environ').includes(entry) && !isZombie(name))
    .map(Number);
}

function readProc(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}

const isZombie = (pid: string): boolean => / Z /.test(readProc(pid, 'stat'));

/** The loops that wait for the end of a daemon. */
const watches = (): number[] => started().filter((pid) => readProc(String(pid), 'cmdline').includes('orphan-watch\0'));

const nothingLeft = () => waitUntil('nothing is left', () => started().length === 0);

describe.each(['SIGKILL', 'SIGTERM'] as const)('a daemon that ends by %s and is not started again', (signal) => {
  test('H3: its idle child ends, with all that its tools have started, and so does the watch', async () => {
    const client = await begin();
    const { pid } = await openIdle(client);
    expect(watches()).toHaveLength(1);
    await daemon.kill(signal);
    expect(isAlive(pid)).toBe(true);
    await nothingLeft();
  });
});

test('H3: a working child ends after its turn, an idle one before that; the next daemon takes what was said', async () => {
  const client = await begin();
  const idle = await openIdle(client);
  const working = await open(client, scenario({ text: 'Still here.', gate: 'orphan' }));
  await api.reached('orphan');
  await daemon.kill('SIGKILL');
  await waitUntil('the idle one has ended', () => !isAlive(idle.pid));
  expect(isAlive(working.pid)).toBe(true);
  api.release('orphan');
  await nothingLeft();
  await daemon.start();
  const after = await device();
  const end = await after.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === working.promptId);
  expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Still here.' });
  await waitUntil('the folders are gone', () => readdirSync(join(daemon.home, 'run')).length === 0);
});

test('H3: a child that waits for a person outlives the grace period and ends later; its request expires, and Claude asks again', async () => {
  const client = await begin();
  const idle = await openIdle(client);
  const tool = { name: 'Bash', input: { command: 'echo hi > it.txt', description: 'x' } };
  const ask = { tools: [tool] };
  const waiting = await open(client, scenario(ask, ask, ask, { text: 'Done.' }));
  const asked = await client.waitFor('permissionRequest');
  await daemon.kill('SIGKILL');
  await waitUntil('the idle one has ended', () => !isAlive(idle.pid));
  expect(isAlive(waiting.pid)).toBe(true);
  await nothingLeft();
  await daemon.start();
  const after = await device();
  const { permissionId } = asked.data;
  const resolved = await after.waitFor(
    ({ type, data }) => type === 'permissionResolved' && data.permissionId === permissionId,
  );
  expect(resolved.data.decision).toBe('expired');
  const again = await after.waitFor(
    ({ type, data }) => type === 'permissionRequest' && data.permissionId !== permissionId,
  );
  expect(again.data.sessionId).toBe(waiting.sessionId);
  expect(after.events(waiting.sessionId).filter(({ type }) => type === 'error')).toEqual([]);
});

test('H3: a child with a task in the background goes on until the task has ended', async () => {
  const client = await begin();
  const idle = await openIdle(client);
  const gate = join(daemon.root, 'gate');
  const command = `until [ -e ${gate} ]; do sleep 0.1; done`;
  const tool = { name: 'Bash', input: { command, description: 'x', run_in_background: true } };
  const busy = await open(client, scenario({ tools: [tool] }, { text: 'Started.' }, { text: 'It has ended.' }));
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === busy.promptId);
  await daemon.kill('SIGKILL');
  await waitUntil('the idle one has ended', () => !isAlive(idle.pid));
  expect(isAlive(busy.pid)).toBe(true);
  daemon.project('gate');
  await nothingLeft();
});

test('H3: a child that was never given a prompt ends too', async () => {
  const client = await begin();
  const { data } = await client.request('streamStart', { prompt: '', workingDirectory: daemon.project() });
  const children = () => daemon.sessionProcesses(data.sessionId);
  await waitUntil('it has been started', () => children().length > 0);
  await daemon.kill('SIGKILL');
  expect(children()).not.toEqual([]);
  await nothingLeft();
});

test('H3: time in which the watch did not run is no absence', async () => {
  const client = await begin();
  const { pid } = await openIdle(client);
  const other = await openIdle(client);
  const [watch = 0] = watches();
  process.kill(watch, 'SIGSTOP');
  await daemon.kill('SIGKILL');
  // Another clock of the same length, that of a daemon of its own, has run out by then.
  const clock = await startDaemon({ apiUrl: api.url, environment: { ORPHAN_GRACE_MS: String(2 * GRACE_MS) } });
  await clock.kill('SIGKILL');
  const clockHome = `HOME=${join(clock.home, '../home')}\0`;
  await waitUntil('twice the grace has passed', () => processesWith(clockHome).length === 0);
  expect([isAlive(pid), isAlive(other.pid)]).toEqual([true, true]);
  process.kill(watch, 'SIGCONT');
  await nothingLeft();
  await clock.stop();
});

test('H2, H3: a child is told when to end by itself, is let be under an old token, and is found by the next daemons', async () => {
  const client = await begin(LONG_GRACE_MS);
  const { sessionId, pid } = await openIdle(client);
  const hibernateAndAMinute = 16 * 60_000;
  expect(readProc(String(pid), 'environ').split('\0')).toContain(
    `CLAUDE_CODE_EXIT_AFTER_STOP_DELAY=${hibernateAndAMinute}`,
  );
  const run = join(daemon.home, 'run');
  const program = join(dirname(MAIN), 'reap-orphans.js');
  const args = [run, join(daemon.home, 'orphan-watch'), 'an-older-one', '1', '1'];
  const { status } = spawnSync(process.execPath, [program, ...args], { stdio: 'inherit' });
  expect(status).not.toBe(0);
  expect(isAlive(pid)).toBe(true);
  expect(existsSync(join(run, sessionId, 'orphaned'))).toBe(false);
  const [first] = watches();
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) await daemon.restart(signal);
  await waitUntil('one watch is left', () => watches().length === 1);
  expect(watches()).not.toContain(first);
  const again = (await (await daemon.fetch(`/api/sessions/${sessionId}`)).json()) as { pid: number };
  expect(again.pid).toBe(pid);
});

test('H3: nothing waits where there is no child: all sessions were closed, or `stop --all` has ended them', async () => {
  const client = await begin();
  await openIdle(client);
  await daemon.restart('SIGKILL');
  expect(existsSync(join(daemon.home, 'orphan-watch'))).toBe(true);
  for (const { sessionId } of await sessions()) await daemon.fetch(`/api/sessions/${sessionId}`, { method: 'DELETE' });
  await waitUntil('the sessions are closed', () => readdirSync(join(daemon.home, 'run')).length === 0);
  await daemon.kill('SIGTERM');
  expect(existsSync(join(daemon.home, 'orphan-watch'))).toBe(false);
  await nothingLeft();
  await daemon.start();
  await openIdle(await device('tablet'));
  const cli = join(dirname(MAIN), '../cli/main.js');
  const stopping = spawn(process.execPath, [cli, 'stop', '--all'], { env: daemon.environment, stdio: 'ignore' });
  const [code] = (await once(stopping, 'exit')) as [number | null];
  expect(code).toBe(0);
  await nothingLeft();
  expect(existsSync(join(daemon.home, 'orphan-watch'))).toBe(false);
});

async function sessions(): Promise<{ sessionId: string }[]> {
  const body = (await (await daemon.fetch('/api/sessions')).json()) as { sessions: { sessionId: string }[] };
  return body.sessions;
}
