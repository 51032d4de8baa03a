/** What becomes of an open permission request when the child dies that waits for it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { MAIN } from '../support/daemon.js';
import { type Step, scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { createSteps, isEndOf, marked } from './prompt-steps.js';
import { makeQuickCli } from './quick-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-cli-'));
const world = useWorld({ environment: { CLAUDE_PATH: makeQuickCli(folder) } });
const { view } = createSteps(world);
afterAll(() => rmSync(folder, { recursive: true }));

let devices = 0;

interface Asked {
  clients: [WireClient, WireClient];
  sessionId: string;
  promptId: string;
  permissionId: string;
  pid: number;
  /** A line for each time that a tool ran. */
  runs: string;
}

const of =
  (sessionId: string, type: string) =>
  (frame: Frame): boolean =>
    frame.type === type && frame.data.sessionId === sessionId;

const fromDaemon = ({ type, data }: Frame): boolean => type === 'humanMessage' && data.deviceId === 'companion';

/** Two devices that are told of all that happens. */
async function connectBoth(names: readonly string[]): Promise<[WireClient, WireClient]> {
  const clients = [await world.connect({ deviceId: `${names[0]}` }), await world.connect({ deviceId: `${names[1]}` })];
  for (const client of clients) await client.request('subscribe', { events: ['*'] });
  return clients as [WireClient, WireClient];
}

/** Claude asks whether it may run a tool, and does so again when it is told to go on: with what `--resume` puts between, that is its second or third answer. */
async function ask(): Promise<Asked> {
  devices += 1;
  const clients = await connectBoth([`phone-${devices}`, `tablet-${devices}`]);
  const workingDirectory = world.daemon.project();
  const runs = join(workingDirectory, 'runs');
  const tool: Step = {
    tools: [{ name: 'Bash', input: { command: `echo ran >> ${runs}`, description: 'x' } }],
  };
  const { mark, prompt } = marked(tool, tool, tool, { text: 'Well done.' });
  const { data } = await clients[0].request('streamStart', { prompt, workingDirectory }, mark);
  const { sessionId, promptId } = data;
  const asked = await clients[0].waitFor(of(sessionId, 'permissionRequest'));
  await clients[1].waitFor(of(sessionId, 'permissionRequest'));
  const { pid = 0 } = await view(sessionId);
  return { clients, sessionId, promptId, permissionId: asked.data.permissionId, pid, runs };
}

const again = ({ clients }: Asked) => connectBoth(clients.map(({ deviceId }) => deviceId));

/** All that the session has said, to a device that knows nothing of it. */
async function readAll(sessionId: string): Promise<Frame[]> {
  const reader = await world.connect();
  const epoch = String(reader.frames[0]?.data.epoch);
  await reader.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch, seq: 0 } } });
  await reader.waitFor(of(sessionId, 'caughtUp'));
  const events = reader.events(sessionId);
  reader.terminate();
  return events;
}

/** Allows whatever is asked for, until the turn that the daemon began has ended. */
async function allowAll(client: WireClient, sessionId: string, known: string): Promise<Frame> {
  const told = await client.waitFor(fromDaemon);
  const answered = new Set([known]);
  for (;;) {
    const next = await client.waitFor(
      (frame) =>
        isEndOf(String(told.data.promptId))(frame) ||
        (of(sessionId, 'permissionRequest')(frame) && !answered.has(frame.data.permissionId)),
    );
    if (next.type === 'streamComplete') return next;
    const { permissionId } = next.data;
    answered.add(permissionId);
    await client.request('permission', { sessionId, permissionId, response: 'y', remember: false });
  }
}

describe.each([
  ['alone', false],
  ['with the daemon', true],
])('a child that dies %s while it waits for a permission', (_, daemonToo) => {
  test('I1, I2: the request expires everywhere, the turn is over once, Claude asks anew, and then it runs', async () => {
    const asked = await ask();
    const { sessionId, promptId, permissionId, pid, runs } = asked;
    if (daemonToo) await world.daemon.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
    if (daemonToo) await world.daemon.start();
    const clients = daemonToo ? await again(asked) : asked.clients;
    for (const client of clients) {
      const resolved = await client.waitFor(of(sessionId, 'permissionResolved'));
      expect(resolved.data).toMatchObject({ permissionId, decision: 'expired' });
      expect((await client.waitFor(isEndOf(promptId))).data).toMatchObject({ subtype: 'child_exited', isError: true });
      const anew = (frame: Frame) =>
        of(sessionId, 'permissionRequest')(frame) && frame.data.permissionId !== permissionId;
      expect((await client.waitFor(anew)).data.toolName).toBe('Bash');
    }
    expect(await view(sessionId)).toMatchObject({ status: 'waiting' });
    expect(existsSync(runs)).toBe(false);
    const end = await allowAll(clients[1], sessionId, permissionId);
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Well done.' });
    expect(readFileSync(runs, 'utf8')).toMatch(/^(ran\n)+$/);
    const events = await readAll(sessionId);
    expect(events.filter(isEndOf(promptId))).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'streamComplete')).toHaveLength(2);
    expect(events.filter(({ type }) => type === 'error')).toHaveLength(1);
    expect(events.filter(fromDaemon)).toHaveLength(1);
    const settled = events.filter(
      ({ type, data }) => type === 'permissionResolved' && data.permissionId === permissionId,
    );
    expect(settled).toHaveLength(1);
  });

  test('I1: it does not go on where its session was closed before', async () => {
    const asked = await ask();
    // It takes no notice of being asked.
    process.kill(asked.pid, 'SIGSTOP');
    await asked.clients[0].request('streamClose', { sessionId: asked.sessionId, reason: 'done' });
    if (daemonToo) await world.daemon.kill('SIGKILL');
    process.kill(asked.pid, 'SIGKILL');
    if (daemonToo) await world.daemon.start();
    await isOver(asked, daemonToo ? await again(asked) : asked.clients);
  });
});

test('I1: it does not go on where it was interrupted before', async () => {
  const asked = await ask();
  process.kill(asked.pid, 'SIGSTOP');
  await asked.clients[0].request('interrupt', { sessionId: asked.sessionId });
  process.kill(asked.pid, 'SIGKILL');
  await isOver(asked, asked.clients);
});

/** Its turn was ended by a person: the daemon has nothing to say to Claude, and the next prompt runs. */
async function isOver({ sessionId, promptId, runs }: Asked, [client]: readonly [WireClient, WireClient]) {
  await client.waitFor(isEndOf(promptId));
  await waitUntil('nothing runs', () => world.daemon.sessionProcesses(sessionId).length === 0);
  const events = await readAll(sessionId);
  const ends = events.filter(({ type }) => type === 'streamComplete');
  expect(ends.map(({ data }) => [data.promptId, data.subtype])).toEqual([[promptId, 'interrupted']]);
  expect(events.filter(fromDaemon)).toEqual([]);
  const workingDirectory = dirname(runs);
  const next = await client.request('streamStart', { prompt: scenario({ text: 'Another.' }), workingDirectory });
  expect((await client.waitFor(isEndOf(next.data.promptId))).data.finalResult).toBe('Another.');
  expect(existsSync(runs)).toBe(false);
}

test('H3, I2: `stop --all` with a request open leaves nothing; the next daemon tells of its end, and nothing goes on', async () => {
  const asked = await ask();
  const { sessionId, promptId, permissionId, runs } = asked;
  const cli = join(dirname(MAIN), '../cli/main.js');
  const stopping = spawn(process.execPath, [cli, 'stop', '--all'], { env: world.daemon.environment, stdio: 'ignore' });
  expect(((await once(stopping, 'exit')) as [number])[0]).toBe(0);
  expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
  await world.daemon.start();
  const [client] = await again(asked);
  await client.waitFor(of(sessionId, 'caughtUp'));
  const events = await readAll(sessionId);
  const resolved = events.filter(({ type }) => type === 'permissionResolved');
  expect(resolved.map(({ data }) => [data.permissionId, data.decision])).toEqual([[permissionId, 'cancelled']]);
  expect(events.filter(isEndOf(promptId))).toHaveLength(1);
  expect(events.filter((frame) => fromDaemon(frame) || frame.type === 'error')).toEqual([]);
  expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
  const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Another.' }) });
  expect((await client.waitFor(isEndOf(next.data.promptId))).data.finalResult).toBe('Another.');
  expect(existsSync(runs)).toBe(false);
});
