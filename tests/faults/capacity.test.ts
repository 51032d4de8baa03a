/**
 * More sessions than children may live: who waits, who makes room, and that nothing is lost by it. What a child says does
 * not matter to most of it, and the stand-in for the CLI starts for a tenth of the real one's processor time.
 */
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { localSocketPath } from '../../config/local-socket-path.js';
import { childrenOf } from '../support/daemon.js';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const MAX = 2;
const limited = { MAX_PROCESSES: String(MAX) };
const real = useWorld({ environment: limited });
const standIn = useWorld({
  environment: { ...limited, CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') },
});
/** That of the test that runs. */
let world = standIn;

/** A prompt whose turn says this. */
const saying = (text: string, ...before: object[]): string =>
  world === real ? scenario({ text }) : JSON.stringify([...before, { result: text }]);

interface View {
  sessionId: string;
  pid?: number;
  status: string;
}

const view = async (sessionId: string): Promise<View> =>
  (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as View;

const readOf = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
};

/** Which CLIs live. What one is about to start looks like itself for a moment, and carries its id as well. */
const livingClis = (): Set<string> =>
  new Set(
    childrenOf(world.daemon.home)
      .filter((pid) => readOf(pid, 'cmdline').includes('--permission-prompt-tool'))
      .flatMap((pid) => /CLAUDE_COMPANION_CHILD=([^\0]+)/.exec(readOf(pid, 'environ'))?.[1] ?? []),
  );

/** Sees how many CLIs live at a time for as long as this work takes. */
async function mostClis(work: () => Promise<void>): Promise<number> {
  let most = 0;
  let isDone = false;
  const looking = (async () => {
    for (; !isDone; await delay(100)) most = Math.max(most, livingClis().size);
  })();
  await work().finally(() => {
    isDone = true;
  });
  await looking;
  return most;
}

afterEach(async () => {
  const response = await world.daemon.fetch('/api/sessions');
  const { sessions } = (await response.json()) as { sessions: View[] };
  for (const { sessionId, status } of sessions) {
    if (status !== 'closed') await world.daemon.fetch(`/api/sessions/${sessionId}`, { method: 'DELETE' });
  }
  await waitUntil('nothing is left of the test', () => childrenOf(world.daemon.home).length === 0);
});

interface Started {
  sessionId: string;
  promptId: string;
  folder: string;
}

async function start(client: WireClient, prompt: string): Promise<Started> {
  const folder = world.daemon.project();
  const { data } = await client.request('streamStart', { prompt, workingDirectory: folder });
  return { sessionId: data.sessionId, promptId: data.promptId, folder };
}

const isEndOf =
  (promptId: unknown) =>
  ({ type, data }: Frame) =>
    type === 'streamComplete' && data.promptId === promptId;

const ended = (client: WireClient, { promptId }: { promptId: string }) => client.waitFor(isEndOf(promptId));

const isStatus =
  ({ sessionId }: { sessionId: string }, ...wanted: string[]) =>
  ({ type, data, seq }: Frame) =>
    seq !== undefined && type === 'sessionStatus' && data.sessionId === sessionId && wanted.includes(data.status);

/** A session whose child has nothing to do. */
async function startIdle(client: WireClient, ...before: object[]): Promise<Started & { pid: number }> {
  const started = await start(client, saying('Done.', ...before));
  const end = await ended(client, started);
  await client.waitFor(isStatus(started, 'idle'), client.frames.indexOf(end));
  return { ...started, pid: (await view(started.sessionId)).pid ?? 0 };
}

let gates = 0;

interface Busy extends Started {
  pid: number;
  finish: () => void;
}

/** A session whose turn runs until it is told to finish. */
async function startBusy(client: WireClient): Promise<Busy> {
  gates += 1;
  const gate = `busy-${gates}`;
  const prompt = world === real ? scenario({ text: 'Worked.', gate }) : saying('Worked.', { until: 'finish' });
  const started = await start(client, prompt);
  await client.waitFor(({ type, data }) => type === 'systemInit' && data.sessionId === started.sessionId);
  const finish = () => (world === real ? world.api.release(gate) : writeFileSync(join(started.folder, 'finish'), ''));
  return { ...started, pid: (await view(started.sessionId)).pid ?? 0, finish };
}

const fill = async (client: WireClient): Promise<[Busy, Busy]> => [await startBusy(client), await startBusy(client)];

interface Place {
  position: number;
  estimateMs?: number;
}

const placesOf = (client: WireClient, { sessionId }: { sessionId: string }): Place[] =>
  client
    .events(sessionId)
    .flatMap(({ type, data }) => (type === 'sessionStatus' && data.place ? [data.place as Place] : []));

/** A session that waits in the queue, at this position. */
async function startWaiting(client: WireClient, position: number, prompt = saying('At last.')) {
  const started = await start(client, prompt);
  await isAt(client, started, position);
  return started;
}

const isAt = (client: WireClient, { sessionId }: { sessionId: string }, position: number) =>
  client.waitFor(
    ({ type, data }) =>
      type === 'sessionStatus' && data.sessionId === sessionId && (data.place as Place)?.position === position,
  );

const positions = (client: WireClient, session: Started) => placesOf(client, session).map(({ position }) => position);

test('six directories at once: at most two CLIs run, waiting sessions are told their position, and all prompts run', async () => {
  const client = await world.connect();
  const sessions: Started[] = [];
  const most = await mostClis(async () => {
    const [first, second] = await fill(client);
    sessions.push(first, second);
    for (const position of [1, 2, 3, 4]) sessions.push(await startWaiting(client, position));
    first.finish();
    second.finish();
    for (const session of sessions) expect((await ended(client, session)).data.subtype).toBe('success');
  });
  expect(most).toBe(MAX);
  expect(sessions.map((session) => positions(client, session))).toEqual([[], [], [1], [2, 1], [3, 2, 1], [4, 3, 2, 1]]);
  const last = placesOf(client, sessions[5] as Started);
  expect(last[0]).toEqual({ position: 4 });
  expect(last[3]).toEqual({ position: 1, estimateMs: expect.any(Number) });
  const told = client.frames.filter(({ type, data }) => type === 'progress' && data.stage === 'queued');
  expect(told.length).toBeGreaterThanOrEqual(4);
  expect(told[0]?.data.message).toContain('number 1');
});

describe('a slot is freed', () => {
  test('not by a session whose tools left a process running', async () => {
    const client = await world.connect();
    const held = await startIdle(client, { leave: 'sleep 1000' });
    const free = await startIdle(client);
    await ended(client, await start(client, saying('Came.')));
    expect(await view(held.sessionId)).toMatchObject({ status: 'idle', pid: held.pid });
    expect(await view(free.sessionId)).toMatchObject({ status: 'hibernated' });
  });

  test('not for a session that is only opened: it gets no child, and others keep theirs', async () => {
    const client = await world.connect();
    const idle = [await startIdle(client), await startIdle(client)];
    const opened = await start(client, '');
    await client.waitFor(isStatus(opened, 'hibernated'));
    for (const { sessionId, pid } of idle) expect(await view(sessionId)).toMatchObject({ status: 'idle', pid });
    expect(positions(client, opened)).toEqual([]);
    const { data } = await client.request('streamSend', {
      sessionId: opened.sessionId,
      prompt: saying('Now.'),
    });
    expect((await client.waitFor(isEndOf(data.promptId))).data.finalResult).toBe('Now.');
  });

  test.each([
    ['whose child was killed', async (busy: Busy) => process.kill(busy.pid, 'SIGKILL')],
    [
      'that is closed',
      async (busy: Busy, client: WireClient) =>
        client.request('streamClose', { sessionId: busy.sessionId, reason: 'done' }),
    ],
    ['whose turn has ended', async (busy: Busy) => busy.finish()],
  ])('by a session %s', async (_, free) => {
    const client = await world.connect();
    const [busy] = await fill(client);
    const waiting = await startWaiting(client, 1);
    await free(busy, client);
    expect((await ended(client, waiting)).data.finalResult).toBe('At last.');
  });

  test('by a session whose child cannot be started', async () => {
    const client = await world.connect();
    const [busy] = await fill(client);
    const failing = await startWaiting(client, 1);
    const waiting = await startWaiting(client, 2);
    rmSync(failing.folder, { recursive: true });
    busy.finish();
    expect((await ended(client, failing)).data).toMatchObject({ isError: true, subtype: 'child_exited' });
    expect((await ended(client, waiting)).data.finalResult).toBe('At last.');
    expect((await view(failing.sessionId)).status).toBe('error');
  });
});

describe('a session leaves the queue', () => {
  type Leave = (client: WireClient, waiting: Started) => Promise<unknown>;
  const ways: [string, string, Leave][] = [
    ['the prompt is cancelled', 'hibernated', (client, { promptId }) => client.request('cancelPrompt', { promptId })],
    ['it is interrupted', 'hibernated', (client, { sessionId }) => client.request('interrupt', { sessionId })],
    [
      'the session is closed',
      'closed',
      (client, { sessionId }) => client.request('streamClose', { sessionId, reason: 'done' }),
    ],
  ];
  test.each(ways)('when %s, and the others move up at once', async (_, status, leave) => {
    const client = await world.connect();
    const [busy] = await fill(client);
    const left = await startWaiting(client, 1);
    const next = await startWaiting(client, 2);
    const last = await startWaiting(client, 3);
    await leave(client, left);
    await client.waitFor(isStatus(left, status));
    await isAt(client, next, 1);
    await isAt(client, last, 2);
    const later = await startWaiting(client, 3);
    busy.finish();
    for (const session of [next, last, later]) expect((await ended(client, session)).data.finalResult).toBe('At last.');
    expect((await view(left.sessionId)).status).toBe(status);
  });

  test('and joins it again at its end', async () => {
    const client = await world.connect();
    const [busy] = await fill(client);
    const left = await startWaiting(client, 1);
    const next = await startWaiting(client, 2);
    await client.request('cancelPrompt', { promptId: left.promptId });
    const { data } = await client.request('streamSend', {
      sessionId: left.sessionId,
      prompt: saying('Again.'),
    });
    await isAt(client, next, 1);
    await isAt(client, left, 2);
    busy.finish();
    const end = await client.waitFor(isEndOf(data.promptId));
    expect(end.data.finalResult).toBe('Again.');
    const before = client.frames.indexOf(await ended(client, next));
    expect(client.frames.indexOf(end)).toBeGreaterThan(before);
  });
});

/** As `claude-companion stop --all` asks for it. */
async function stopAll(): Promise<void> {
  const socketPath = localSocketPath(world.daemon.home);
  const headers = { 'content-type': 'application/json' };
  const outgoing = request({ socketPath, path: '/local/stop', method: 'POST', headers });
  const [response] = (await once(outgoing.end('{"all":true}'), 'response')) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  response.resume();
}

test('I1, H3: a daemon that ends all children starts none for waiting sessions; the next daemon does', async () => {
  const before = await world.connect({ deviceId: 'stop' });
  const running = await fill(before);
  const waiting = [await startWaiting(before, 1), await startWaiting(before, 2)];
  const { pid } = world.daemon;
  const most = await mostClis(async () => {
    await stopAll();
    await before.closed;
    await waitUntil('the daemon has ended', () => readOf(pid, 'cmdline') === '');
  });
  expect(most).toBeLessThanOrEqual(MAX);
  expect([...livingClis()]).toEqual([]);
  expect(running.filter((session) => isAlive(session.pid))).toEqual([]);
  await world.daemon.restart('SIGKILL');
  const client = await world.connect({ deviceId: 'stop' });
  for (const session of waiting) expect((await ended(client, session)).data.finalResult).toBe('At last.');
});

describe('with the real CLI', () => {
  beforeAll(() => {
    world = real;
  });
  afterAll(() => {
    world = standIn;
  });

  test('a slot is freed by the session that has been idle longest, and only by that one', async () => {
    const client = await world.connect();
    const older = await startIdle(client);
    const newer = await startIdle(client);
    const comer = await start(client, saying('Came.'));
    await ended(client, comer);
    expect(await view(older.sessionId)).toMatchObject({ status: 'hibernated' });
    expect(isAlive(older.pid)).toBe(false);
    expect(await view(newer.sessionId)).toMatchObject({ status: 'idle', pid: newer.pid });
    const { data } = await client.request('streamSend', {
      sessionId: older.sessionId,
      prompt: saying('Back.'),
    });
    expect((await client.waitFor(isEndOf(data.promptId))).data.finalResult).toBe('Back.');
    expect(isAlive(newer.pid)).toBe(false);
    expect(client.events().filter(({ type }) => type === 'error')).toEqual([]);
  });

  const stillRun = async (running: Busy[]) => {
    for (const { sessionId, pid } of running) expect(await view(sessionId)).toMatchObject({ status: 'working', pid });
  };
  const resultsOf = (client: WireClient, sessionId: string) =>
    client
      .events(sessionId)
      .filter(({ type }) => type === 'streamComplete')
      .map(({ data }) => data.finalResult);

  test('I1, H2: after the daemon was killed while sessions wait, running children count, and every waiting prompt runs once, in the order of its session', async () => {
    const before = await world.connect({ deviceId: 'line' });
    const running = await fill(before);
    const waiting: Started[] = [];
    const prompts: { sessionId: string; promptId: string; mark: string }[] = [];
    for (const position of [1, 2, 3]) {
      const mark = `first-${position}-${process.pid}`;
      const session = await startWaiting(before, position, `${mark} ${scenario({ text: 'One.' })}`);
      waiting.push(session);
      prompts.push({ ...session, mark });
      const { sessionId } = session;
      const second = `second-${position}-${process.pid}`;
      const { data } = await before.request('streamSend', {
        sessionId,
        prompt: `${second} ${scenario({ text: 'Two.' })}`,
      });
      prompts.push({ sessionId, promptId: data.promptId, mark: second });
    }
    const most = await mostClis(async () => {
      await world.daemon.restart('SIGKILL');
      const client = await world.connect({ deviceId: 'line' });
      await stillRun(running);
      for (const [index, session] of waiting.entries()) await isAt(client, session, index + 1);
      running[0].finish();
      const ends: number[] = [];
      for (const prompt of prompts) ends.push(client.frames.indexOf(await ended(client, prompt)));
      expect(ends).toEqual(ends.toSorted((a, b) => a - b));
      running[1].finish();
      for (const session of running) expect((await ended(client, session)).data.finalResult).toBe('Worked.');
      for (const { sessionId } of waiting) expect(resultsOf(client, sessionId)).toEqual(['One.', 'Two.']);
    });
    expect(most).toBe(MAX);
    for (const { mark } of prompts) expect(world.api.runs(mark)).toBe(1);
  });
});
