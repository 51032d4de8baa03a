/** The system's clock is set while the daemon runs. Nothing may follow from it but other timestamps. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { cutOf } from '../support/counts.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { ConnectionLedger } from './connection-ledger.js';
import { Ledger } from './ledger.js';
import { createSteps, isEndOf, marked } from './prompt-steps.js';
import { makeQuickCli } from './quick-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-clock-'));
const CLOCK_FILE = join(folder, 'offset');
const preload = join(import.meta.dirname, '../support/moved-clock.mjs');
const fakeCli = join(import.meta.dirname, '../support/fake-cli.mjs');
const environment = { NODE_OPTIONS: `--import ${preload}`, CLOCK_FILE };
const world = useWorld({ environment: { ...environment, CLAUDE_PATH: makeQuickCli(folder) } });
const { openSession, ranOnce, takeSession, view } = createSteps(world);

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MOVES = [
  ['an hour ahead', HOUR_MS],
  ['a day ahead', DAY_MS],
  ['a day back', -DAY_MS],
  ['an hour back', -HOUR_MS],
] as const;

const setOffset = (ms: number) => writeFileSync(CLOCK_FILE, String(ms));

afterEach(() => setOffset(0));
afterAll(() => rmSync(folder, { recursive: true }));

/** Moves the clock of a daemon that runs. */
async function moveClock(client: WireClient, pid: number, ms: number): Promise<void> {
  setOffset(ms);
  process.kill(pid, 'SIGUSR2');
  await waitUntil('the daemon reads another time', async () => {
    const { data } = await client.request('ping', {});
    return Math.abs(Date.parse(String(data.serverTime)) - Date.now() - ms) < HOUR_MS / 2;
  });
}

/** A device whose every frame the ledger sees. */
async function connectFor(ledger: Ledger, deviceId: string) {
  const seen = new ConnectionLedger(deviceId, ledger);
  const client = await world.connect({ deviceId, onFrame: (frame) => seen.take(frame) });
  return { client, seen };
}

const isSane = (duration: unknown): boolean => typeof duration === 'number' && duration >= 0 && duration < 60_000;

describe.each(cutOf(MOVES, 2))('the clock is set %s', (name, ms) => {
  test('D2, D3, D4: in mid-text, and back again by a restart: every event comes once and in order, every text whole', async () => {
    const ledger = new Ledger();
    const stays = await connectFor(ledger, `stays-${ms}`);
    const leaves = await connectFor(ledger, `leaves-${ms}`);
    for (const { client } of [stays, leaves]) await client.request('subscribe', { events: ['*'] });
    const text = 'What time is it? '.repeat(20);
    const first = marked({ text, gateAfter: { deltas: 5, gate: name } });
    const started = await stays.client.request('streamStart', {
      prompt: first.prompt,
      workingDirectory: world.daemon.project(),
    });
    const { sessionId } = started.data;
    ledger.accepted({ promptId: started.data.promptId, mark: first.mark, texts: [text] });
    await leaves.client.waitFor('streamData');
    leaves.client.terminate();
    await leaves.client.closed;
    await moveClock(stays.client, world.daemon.pid, ms);
    world.api.release(name);
    const end = await stays.client.waitFor(isEndOf(started.data.promptId));
    expect(isSane(end.data.duration)).toBe(true);
    const returned = await connectFor(ledger, `leaves-${ms}`);
    const second = marked({ text: 'Later.' });
    const sent = await returned.client.request('streamSend', { sessionId, prompt: second.prompt }, second.mark);
    ledger.accepted({ promptId: sent.data.promptId, mark: second.mark, texts: ['Later.'] });
    await returned.client.waitFor(isEndOf(sent.data.promptId));
    setOffset(0);
    await world.daemon.restart('SIGKILL');
    const last = [await connectFor(ledger, `stays-${ms}`), await connectFor(ledger, `leaves-${ms}`)];
    await waitUntil('both have caught up', () => last.every(({ seen }) => !seen.isCatchingUp));
    const heads = new Map([[sessionId, last[0]?.seen.heads.get(sessionId) ?? 0]]);
    expect(ledger.judge({ heads, runs: (mark) => world.api.runs(mark) })).toEqual([]);
    for (const { client } of last) client.terminate();
  });

  test('I1, I2: with a permission open: it is answered, its prompt is known when it comes again, and runs once', async () => {
    const client = await world.connect();
    const { sessionId } = await takeSession(client);
    const { workingDirectory } = await view(sessionId);
    const tool = { name: 'Write', input: { file_path: join(workingDirectory, `written-${ms}.txt`), content: 'x' } };
    const { mark, prompt } = marked({ tools: [tool] }, { text: 'Allowed.' });
    const sent = await client.request('streamSend', { sessionId, prompt }, mark);
    const { permissionId } = (await client.waitFor('permissionRequest')).data;
    await moveClock(client, world.daemon.pid, ms);
    const again = await client.request('streamSend', { sessionId, prompt }, mark);
    expect(again.data).toEqual({ ...sent.data, duplicate: true });
    const answer = { sessionId, permissionId, response: 'y', remember: false };
    expect((await client.request('permission', answer)).type).toBe('permissionAccepted');
    expect((await client.request('permission', answer)).data.code).toBe('ALREADY_RESOLVED');
    const end = await ranOnce(sent.data.sessionId, { mark, promptId: sent.data.promptId });
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Allowed.' });
    await moveClock(client, world.daemon.pid, 0);
  });

  test('H1, H3: an idle child and a working one are neither ended nor replaced', async () => {
    const client = await world.connect();
    const [idle, working] = [await takeSession(client), await openSession(client)];
    const gate = `children-${ms}`;
    const sent = await client.request('streamSend', {
      sessionId: working.sessionId,
      prompt: scenario({ text: 'Went on.', gate }),
    });
    await world.api.reached(gate);
    await moveClock(client, world.daemon.pid, ms);
    const next = await client.request('streamSend', {
      sessionId: idle.sessionId,
      prompt: scenario({ text: 'Still here.' }),
    });
    expect((await client.waitFor(isEndOf(next.data.promptId))).data.finalResult).toBe('Still here.');
    world.api.release(gate);
    expect((await client.waitFor(isEndOf(sent.data.promptId))).data.finalResult).toBe('Went on.');
    for (const { sessionId, pid } of [idle, working]) expect((await view(sessionId)).pid).toBe(pid);
    expect(client.events().filter(({ type }) => type === 'error')).toEqual([]);
    await moveClock(client, world.daemon.pid, 0);
  });

  test.each([
    ['runs', false],
    ['is away', true],
  ])('a turn whose child dies while the daemon %s took as long as it took', async (_, daemonToo) => {
    const before = await world.connect();
    const { sessionId } = await takeSession(before);
    const gate = `${name}-${daemonToo}`;
    const sent = await before.request('streamSend', { sessionId, prompt: scenario({ text: 'Never.', gate }) });
    await world.api.reached(gate);
    const { pid = 0 } = await view(sessionId);
    if (daemonToo) await world.daemon.kill('SIGKILL');
    else await moveClock(before, world.daemon.pid, ms);
    process.kill(pid, 'SIGKILL');
    setOffset(ms);
    if (daemonToo) await world.daemon.start();
    world.api.release(gate);
    const after = daemonToo ? await world.connect({ deviceId: before.deviceId }) : before;
    const { data } = await after.waitFor(isEndOf(sent.data.promptId));
    expect({ subtype: data.subtype, isSane: isSane(data.duration) }).toEqual({ subtype: 'child_exited', isSane: true });
    await moveClock(after, world.daemon.pid, 0);
  });
});

describe('the clock is set back between two permission requests', () => {
  const strange = useWorld({ environment: { ...environment, CLAUDE_PATH: fakeCli } });

  const ask = (id: string) => ({
    line: {
      type: 'control_request',
      request_id: `request-${id}`,
      request: { subtype: 'can_use_tool', tool_name: 'Bash', tool_use_id: id, input: { command: id } },
    },
  });

  test('I2: an answer that names none is for the one that was asked first', async () => {
    const client = await strange.connect();
    const isAsked =
      (id: string) =>
      ({ type, data }: Frame) =>
        type === 'permissionRequest' && data.toolId === id;
    const started = await client.request('streamStart', {
      prompt: JSON.stringify([ask('first')]),
      workingDirectory: strange.daemon.project(),
    });
    const { sessionId } = started.data;
    const first = await client.waitFor(isAsked('first'));
    await moveClock(client, strange.daemon.pid, -HOUR_MS);
    await client.request('streamSend', { sessionId, prompt: JSON.stringify([ask('second')]), mode: 'steer' });
    await client.waitFor(isAsked('second'));
    const answered = await client.request('permission', { sessionId, response: 'y', remember: false });
    expect(answered.data).toMatchObject({ permissionId: first.data.permissionId, decision: 'allow' });
  });
});
