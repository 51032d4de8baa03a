/** What becomes of an open permission request when the child dies that waits for it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { MAIN } from '../support/daemon.js';
import { type Step, scenario } from '../support/scripted-api.js';
import { transcriptOf, written } from '../support/transcript.js';
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
let directory: string | undefined;

interface Asked {
  clients: [WireClient, WireClient];
  /** In the prompt's text. */
  mark: string;
  sessionId: string;
  promptId: string;
  permissionId: string;
  pid: number;
  /** A line for each time that a tool ran. */
  runs: string;
  /** The seq of the prompt's first event. */
  from: number;
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
  // Each test leaves an idle child there.
  directory ??= world.daemon.project();
  const workingDirectory = directory;
  const clients = await connectBoth([`phone-${devices}`, `tablet-${devices}`]);
  const runs = join(workingDirectory, `runs-${devices}`);
  const tool: Step = {
    tools: [{ name: 'Bash', input: { command: `echo ran >> ${runs}`, description: 'x' } }],
  };
  const { mark, prompt } = marked(tool, tool, tool, { text: 'Well done.' });
  const { data } = await clients[0].request('streamStart', { prompt, workingDirectory }, mark);
  const { sessionId, promptId } = data;
  const isBegun = (frame: Frame) => frame.type === 'humanMessage' && frame.data.promptId === promptId;
  const { seq: from = 0 } = await clients[0].waitFor(isBegun);
  const isAsked = (frame: Frame) => of(sessionId, 'permissionRequest')(frame) && (frame.seq ?? 0) > from;
  const asked = await clients[0].waitFor(isAsked);
  await clients[1].waitFor(isAsked);
  const { pid = 0, claudeSessionId } = await view(sessionId);
  // A child that dies in the first moments of a turn leaves no prompt that it could be told to go on with.
  await written(world.daemon, claudeSessionId, mark);
  return { clients, mark, sessionId, promptId, permissionId: asked.data.permissionId, pid, runs, from };
}

const again = ({ clients }: Asked) => connectBoth(clients.map(({ deviceId }) => deviceId));

/** All that the session has said since it was given the prompt, to a device that knows nothing of it. */
async function readAll({ sessionId, from }: Asked): Promise<Frame[]> {
  const reader = await world.connect();
  const epoch = String(reader.frames[0]?.data.epoch);
  await reader.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch, seq: 0 } } });
  await reader.waitFor(of(sessionId, 'caughtUp'));
  const events = reader.events(sessionId).filter(({ seq = 0 }) => seq >= from);
  reader.terminate();
  return events;
}

/** Allows whatever is asked for, until the turn that the daemon began has ended. */
async function allowAll(client: WireClient, { sessionId, permissionId: known, from }: Asked): Promise<Frame> {
  const told = await client.waitFor((frame) => fromDaemon(frame) && (frame.seq ?? 0) > from);
  const answered = new Set([known]);
  for (;;) {
    const next = await client.waitFor(
      (frame) =>
        isEndOf(String(told.data.promptId))(frame) ||
        (of(sessionId, 'permissionRequest')(frame) &&
          (frame.seq ?? 0) > from &&
          !answered.has(frame.data.permissionId)),
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
  test('I1, I2: the request expires everywhere, the turn ends once, Claude asks again, and then it runs', async () => {
    const asked = await ask();
    const { sessionId, promptId, permissionId, pid, runs } = asked;
    if (daemonToo) await world.daemon.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
    if (daemonToo) await world.daemon.start();
    const clients = daemonToo ? await again(asked) : asked.clients;
    for (const client of clients) {
      const resolved = await client.waitFor(
        (frame) => of(sessionId, 'permissionResolved')(frame) && (frame.seq ?? 0) > asked.from,
      );
      expect(resolved.data).toMatchObject({ permissionId, decision: 'expired' });
      expect((await client.waitFor(isEndOf(promptId))).data).toMatchObject({ subtype: 'child_exited', isError: true });
      const asksAgain = (frame: Frame) =>
        of(sessionId, 'permissionRequest')(frame) &&
        (frame.seq ?? 0) > asked.from &&
        frame.data.permissionId !== permissionId;
      expect((await client.waitFor(asksAgain)).data.toolName).toBe('Bash');
    }
    expect(await view(sessionId)).toMatchObject({ status: 'waiting' });
    expect(existsSync(runs)).toBe(false);
    const end = await allowAll(clients[1], asked);
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Well done.' });
    expect(readFileSync(runs, 'utf8')).toMatch(/^(ran\n)+$/);
    const events = await readAll(asked);
    expect(events.filter(isEndOf(promptId))).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'streamComplete')).toHaveLength(2);
    expect(events.filter(({ type }) => type === 'error')).toHaveLength(1);
    expect(events.filter(fromDaemon)).toHaveLength(1);
    const settled = events.filter(
      ({ type, data }) => type === 'permissionResolved' && data.permissionId === permissionId,
    );
    expect(settled).toHaveLength(1);
  });

  test.each([
    ['it was interrupted', 'interrupt'],
    ['its session was closed', 'streamClose'],
  ] as const)('I1: nothing goes on where %s before', async (__, how) => {
    const asked = await ask();
    const { sessionId } = asked;
    // It takes no notice of being asked.
    process.kill(asked.pid, 'SIGSTOP');
    await asked.clients[0].request(how, how === 'interrupt' ? { sessionId } : { sessionId, reason: 'done' });
    if (daemonToo) await world.daemon.kill('SIGKILL');
    process.kill(asked.pid, 'SIGKILL');
    if (daemonToo) await world.daemon.start();
    await isOver(asked, daemonToo ? await again(asked) : asked.clients);
  });
});

test.each([
  ['the last lines', (path: string, mark: string) => keepLinesBefore(path, mark)],
  ['all', (path: string) => rmSync(path)],
])(
  'where the transcript has lost %s, Claude is told once what it was asked, and goes on with that',
  async (_, lose) => {
    const asked = await ask();
    const { sessionId, pid, mark, runs } = asked;
    const { claudeSessionId } = await view(sessionId);
    await world.daemon.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await waitUntil('the child is gone', () => world.daemon.sessionProcesses(sessionId).length === 0);
    lose(transcriptOf(world.daemon, claudeSessionId), mark);
    const before = world.api.requests.length;
    await world.daemon.start();
    const [client] = await again(asked);
    const end = await allowAll(client, asked);
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Well done.' });
    expect(readFileSync(runs, 'utf8')).toMatch(/^(ran\n)+$/);
    const [first] = world.api.requests.slice(before).flatMap((request) => {
      const said = JSON.stringify(request);
      return said.includes(mark) ? said.split(mark).length - 1 : [];
    });
    expect(first).toBe(1);
    const told = (await readAll(asked)).filter(fromDaemon);
    expect(told.map(({ data }) => data.content[0]?.text)).toEqual([expect.stringContaining('stands below the line')]);
  },
);

function keepLinesBefore(path: string, mark: string): void {
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.slice(0, text.lastIndexOf('\n', text.indexOf(mark)) + 1));
}

/** Its turn was ended by a person: the daemon has nothing to say to Claude, and the next prompt runs. */
async function isOver(asked: Asked, [client]: readonly [WireClient, WireClient]) {
  const { sessionId, promptId, runs } = asked;
  await client.waitFor(isEndOf(promptId));
  await waitUntil('nothing runs', () => world.daemon.sessionProcesses(sessionId).length === 0);
  const events = await readAll(asked);
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
  const events = await readAll(asked);
  const resolved = events.filter(({ type }) => type === 'permissionResolved');
  expect(resolved.map(({ data }) => [data.permissionId, data.decision])).toEqual([[permissionId, 'cancelled']]);
  expect(events.filter(isEndOf(promptId))).toHaveLength(1);
  expect(events.filter((frame) => fromDaemon(frame) || frame.type === 'error')).toEqual([]);
  expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
  const next = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Another.' }) });
  expect((await client.waitFor(isEndOf(next.data.promptId))).data.finalResult).toBe('Another.');
  expect(existsSync(runs)).toBe(false);
});
