/** A CLI cannot be started: the machine has no process or descriptor left, or the executable is gone or is none. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { makeQuickCli } from './quick-cli.js';
import { endOf, openSession } from './support/failing-world.js';
import { canLimit, exhaust, type Limit, limitedCommand, restore } from './support/limited-daemon.js';

const FAKE_CLI = join(import.meta.dirname, '../support/fake-cli.mjs');

if (canLimit()) {
  describe('a machine without a thread to spare', threadless);
  describe.each<[Limit, string]>([
    ['processes', 'EAGAIN'],
    ['descriptors', 'EMFILE'],
  ])('a machine without %s to spare', exhausted);
} else {
  test('NOT RUN, since limits cannot be set here: a machine without processes or descriptors to spare', () => {
    expect(process.env.REQUIRE_LIMITS).not.toBe('1');
  });
}

function exhausted(limit: Limit, code: string): void {
  const world = useWorld({ command: limitedCommand });
  const log = () => readFileSync(join(world.daemon.home, 'logs/companion.log'), 'utf8');
  const failuresOf = (sessionId: string) =>
    log()
      .split('\n')
      .filter((line) => line.includes(sessionId) && line.includes(code));
  afterEach(() => restore(world.daemon.pid, limit));

  const expectAnswer = async (client: WireClient, promptId: unknown, finalResult: string) => {
    const end = await client.waitFor(endOf(String(promptId)));
    expect(end.data).toMatchObject({ subtype: 'success', finalResult });
  };

  test('I1: a prompt that was accepted waits, others go on, and it runs once when there are some again', async () => {
    const client = await world.connect();
    const live = await openSession(world, client);
    const { pid } = world.daemon;
    exhaust(pid, limit);
    const prompt = scenario({ text: 'At last.' });
    const started = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
    const { sessionId, promptId } = started.data;
    await waitUntil('it was tried twice', () => failuresOf(sessionId).length >= 2);
    const other = await client.request('streamSend', { sessionId: live, prompt: scenario({ text: 'Meanwhile.' }) });
    await expectAnswer(client, other.data.promptId, 'Meanwhile.');
    expect(client.events(sessionId).map(({ type }) => type)).not.toContain('streamComplete');
    expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
    restore(pid, limit);
    await expectAnswer(client, promptId, 'At last.');
    expect(world.api.runs(prompt)).toBe(1);
    expect(world.daemon.pid).toBe(pid);
  });

  test('H1, H2: a child that was taken up is not taken for dead, and its turn comes to its end', async () => {
    const before = await world.connect({ deviceId: 'stays' });
    const prompt = scenario({ text: 'Still the same.', gateAfter: { deltas: 1, gate: limit } });
    const started = await before.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
    const { sessionId, promptId } = started.data;
    await world.api.reached(limit);
    const children = world.daemon.sessionProcesses(sessionId);
    await world.daemon.restart('SIGTERM');
    const client = await world.connect({ deviceId: 'stays' });
    // What a daemon opens with its first prompt is open then.
    await openSession(world, client);
    const { pid } = world.daemon;
    exhaust(pid, limit);
    const other = await client.request('streamStart', { prompt: 'Hello?', workingDirectory: world.daemon.project() });
    expect(other.type).toBe('streamStarted');
    // Its child is looked at many times between two tries to start another.
    await waitUntil('a start was tried twice', () => failuresOf(other.data.sessionId).length >= 2);
    expect(world.daemon.sessionProcesses(sessionId)).toEqual(children);
    await client.request('streamClose', { sessionId: other.data.sessionId, reason: 'done' });
    world.api.release(limit);
    await expectAnswer(client, promptId, 'Still the same.');
    expect(world.daemon.sessionProcesses(sessionId)).toEqual(children);
  });

  test('a question is refused with CAPACITY and what to do', async () => {
    const client = await world.connect();
    await openSession(world, client);
    exhaust(world.daemon.pid, limit);
    const answer = await client.request('ask', { prompt: scenario({ text: 'No.' }) });
    expect(answer).toMatchObject({
      type: 'error',
      data: { code: 'CAPACITY', message: expect.stringContaining(code), details: { suggestion: expect.any(String) } },
    });
  });
}

function threadless(): void {
  const world = useWorld({ command: limitedCommand, environment: { CLAUDE_PATH: FAKE_CLI } });
  afterEach(() => restore(world.daemon.pid, 'processes'));

  test('D1: checkpoints of the journal wait; the daemon goes on', async () => {
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    const opened = await client.request('streamStart', { prompt: '', workingDirectory });
    const { sessionId } = opened.data;
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    exhaust(world.daemon.pid, 'processes');
    const acts = [...Array.from({ length: 800 }, () => ({ bigResult: 100 })), { result: 'All told.' }];
    const sent = await client.request('streamSend', { sessionId, prompt: JSON.stringify(acts) });
    expect((await client.waitFor(endOf(sent.data.promptId))).data).toMatchObject({ finalResult: 'All told.' });
    const log = () => readFileSync(join(world.daemon.home, 'logs/companion.log'), 'utf8').split('\n');
    const isFailed = (line: string) => line.includes('a checkpoint failed') && line.includes('EAGAIN');
    await waitUntil('a checkpoint was tried', () => log().some(isFailed));
    expect((await client.request('ping', {})).type).toBe('pong');
  });
}

describe('an executable', () => {
  const folder = mkdtempSync(join(tmpdir(), 'companion-cli-'));
  const CLAUDE_PATH = makeQuickCli(folder);
  const world = useWorld({ environment: { CLAUDE_PATH } });
  afterEach(() => {
    makeQuickCli(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A session whose child has died while it was idle. */
  async function openWithoutChild(client: WireClient): Promise<string> {
    const sessionId = await openSession(world, client);
    for (const pid of world.daemon.sessionProcesses(sessionId)) process.kill(pid, 'SIGKILL');
    await client.waitFor((frame) => frame.sessionId === sessionId && frame.data.status === 'hibernated');
    return sessionId;
  }

  const expectAnswer = async (client: WireClient, sessionId: string) => {
    const { data } = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Here again.' }) });
    expect((await client.waitFor(endOf(data.promptId))).data).toMatchObject({ finalResult: 'Here again.' });
  };

  test('that is gone refuses prompts with CLAUDE_UNAVAILABLE, and nothing is made; back again, they run', async () => {
    const client = await world.connect();
    const sessionId = await openWithoutChild(client);
    rmSync(CLAUDE_PATH);
    const before = client.events(sessionId).length;
    const answer = await client.request('streamSend', { sessionId, prompt: 'Hello?' });
    expect(answer).toMatchObject({ type: 'error', data: { code: 'CLAUDE_UNAVAILABLE' } });
    expect(client.events(sessionId)).toHaveLength(before);
    makeQuickCli(folder);
    await expectAnswer(client, sessionId);
  });

  test('I1: that ends at once is tried again with its last words told, and no prompt is lost', async () => {
    const client = await world.connect();
    const sessionId = await openWithoutChild(client);
    const answers = 'case "$1" in --version) echo 1 ;; auth) echo "{}" ;; *) echo "I cannot." >&2; exit 7 ;; esac';
    writeFileSync(CLAUDE_PATH, `#!/bin/sh\n${answers}\n`, { mode: 0o755 });
    const prompt = scenario({ text: 'Now I can.' });
    const { data } = await client.request('streamSend', { sessionId, prompt });
    await client.waitFor(({ type, data }) => type === 'error' && /code 7.*I cannot\./.test(String(data.message)));
    makeQuickCli(folder);
    expect((await client.waitFor(endOf(data.promptId))).data).toMatchObject({ finalResult: 'Now I can.' });
    expect(world.api.runs(prompt)).toBe(1);
  });

  test('I1: that cannot be run ends the prompt as child_exited and says why; mended, the next one runs', async () => {
    const client = await world.connect();
    const sessionId = await openWithoutChild(client);
    writeFileSync(CLAUDE_PATH, '#!/nowhere/interpreter\n', { mode: 0o755 });
    const { data } = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Never.' }) });
    const end = await client.waitFor(endOf(data.promptId));
    expect(end.data).toMatchObject({ subtype: 'child_exited', isError: true });
    const told = client.events(sessionId).findLast(({ type }) => type === 'error');
    const why = `the interpreter or loader of its executable is missing: ${CLAUDE_PATH}`;
    expect(told?.data).toMatchObject({ code: 'CLAUDE_UNAVAILABLE', message: expect.stringContaining(why) });
    makeQuickCli(folder);
    await expectAnswer(client, sessionId);
  });
});
