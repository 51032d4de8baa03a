/** A session that is continued when its usage limit resets: once, whatever restarts or sets the clock. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { cutOf } from '../support/counts.js';
import { HOUR_S, inHours, iso, refusal, SUBSCRIBED } from '../support/rate-limits.js';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { makeQuickCli } from './quick-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-clock-'));
const CLOCK_FILE = join(folder, 'offset');
const KILL_POINT_FILE = join(folder, 'kill-point.json');
const NODE_OPTIONS = ['moved-clock', 'kill-points']
  .map((name) => `--import ${join(import.meta.dirname, `../support/${name}.mjs`)}`)
  .join(' ');
const preloads = { NODE_OPTIONS, CLOCK_FILE, KILL_POINT_FILE };
const world = useWorld({ environment: { ...SUBSCRIBED, ...preloads, CLAUDE_PATH: makeQuickCli(folder) } });

/** In the daemon's own prompt. */
const CONTINUATION = 'The usage limit that stopped you';

/** Where the daemon dies that sends it. */
const POINTS = ['before-commit', 'in-commit', 'after-commit', 'before-write', 'after-write'] as const;

const RESET_H = 2;
const AFTER_MS = (RESET_H + 1) * HOUR_S * 1000;

const setOffset = (ms: number) => writeFileSync(CLOCK_FILE, String(ms));

afterEach(() => setOffset(0));
afterAll(() => rmSync(folder, { recursive: true }));

async function moveClock(client: WireClient, ms: number): Promise<void> {
  setOffset(ms);
  process.kill(world.daemon.pid, 'SIGUSR2');
  await waitUntil('the daemon reads another time', async () => {
    const { data } = await client.request('ping', {});
    return Math.abs(Date.parse(String(data.serverTime)) - Date.now() - ms) < HOUR_S * 500;
  });
}

async function patch(sessionId: string, body: object): Promise<Record<string, unknown>> {
  const response = await world.daemon.fetch(`/api/sessions/${sessionId}`, {
    method: 'PATCH',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  return (await response.json()) as Record<string, unknown>;
}

const viewOf = async (sessionId: string) =>
  (await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()) as Record<string, unknown>;

/** A session whose turn has ended at the limit, and what the API answers once it has reset. */
async function limited({ goesOn = true, autoContinue = true } = {}) {
  const client = await world.connect();
  const reset = inHours(RESET_H);
  const step = { ...refusal({ reset, ...(goesOn && { times: 1 }) }), text: 'Went on.' };
  const prompt = scenario(step);
  const workingDirectory = world.daemon.project();
  const { data } = await client.request('streamStart', { prompt: '', workingDirectory });
  const { sessionId } = data;
  if (autoContinue) expect(await patch(sessionId, { autoContinue: true })).toMatchObject({ autoContinue: true });
  await client.request('streamSend', { sessionId, prompt });
  const end = await client.waitFor('streamComplete');
  expect(end.data).toMatchObject({ subtype: 'usage_limit', resetsAt: iso(reset) });
  // Not the one with which the child came up: it can have come before the prompt.
  const known = await client.waitFor(
    ({ type, data: { status } }) => type === 'sessionStatus' && status === 'idle',
    client.frames.indexOf(end),
  );
  return { client, sessionId, reset, status: known.data };
}

const continuations = (client: WireClient) =>
  client.events().filter(({ type, data }) => type === 'humanMessage' && data.deviceId === 'companion');

const isContinued = ({ type, data }: { type: string; data: Record<string, unknown> }) =>
  type === 'humanMessage' && data.deviceId === 'companion';

/** A turn of a person's, after which nothing of the daemon's can still be on its way. */
async function speak(client: WireClient, sessionId: string, text: string): Promise<void> {
  const sent = await client.request('streamSend', { sessionId, prompt: scenario({ text }) });
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === sent.data.promptId);
}

describe('with autoContinue', () => {
  test('the daemon says that it waits, continues once when the limit resets, and says so', async () => {
    const { client, sessionId, reset, status } = await limited();
    expect(status).toMatchObject({ autoContinue: true, continuesAt: iso(reset) });
    expect(await viewOf(sessionId)).toMatchObject({ autoContinue: true, continuesAt: iso(reset) });
    const waits = await client.waitFor(({ type, data }) => type === 'notice' && data.kind === 'auto_continue');
    expect(waits.data.message).toContain(iso(reset));
    await moveClock(client, AFTER_MS);
    const own = await client.waitFor(isContinued);
    expect(own.data.content).toEqual([{ type: 'text', text: expect.stringContaining('Continue') }]);
    const end = await client.waitFor(
      ({ type, data }) => type === 'streamComplete' && data.promptId === own.data.promptId,
    );
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Went on.' });
    const notices = client.events().filter(({ type, data }) => type === 'notice' && data.kind === 'auto_continue');
    expect(notices.map(({ data }) => data.message)).toEqual([
      expect.stringContaining('resets at'),
      expect.stringContaining('has reset'),
    ]);
    expect(await viewOf(sessionId)).toMatchObject({ autoContinue: true });
    expect(await viewOf(sessionId)).not.toHaveProperty('continuesAt');
  });

  test('I1: once only: the clock is set back and ahead, and the daemon restarts, before and after', async () => {
    const { client, sessionId } = await limited({ goesOn: false });
    await moveClock(client, -AFTER_MS);
    await world.daemon.restart('SIGKILL');
    expect(await viewOf(sessionId)).toHaveProperty('continuesAt');
    const after = await world.connect();
    await after.request('subscribe', { events: ['*'] });
    await moveClock(after, AFTER_MS);
    const own = await after.waitFor(isContinued);
    // The API has not reset it in truth, so the turn ends at the same limit.
    await after.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === own.data.promptId);
    expect(await viewOf(sessionId)).not.toHaveProperty('continuesAt');
    setOffset(2 * AFTER_MS);
    await world.daemon.restart('SIGKILL');
    const last = await world.connect();
    await last.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch: String(own.epoch), seq: 0 } } });
    await speak(last, sessionId, 'A person again.');
    expect(continuations(last)).toHaveLength(1);
  });

  test.each(cutOf(POINTS, 2))(
    'I1: the daemon that continues dies %s: the next one sends the same prompt once, or one of its own',
    async (point) => {
      const { sessionId } = await limited();
      const { pid } = world.daemon;
      const before = world.api.requests.length;
      writeFileSync(KILL_POINT_FILE, JSON.stringify({ point, mark: CONTINUATION }));
      setOffset(AFTER_MS);
      process.kill(pid, 'SIGUSR2');
      await world.daemon.until(() => !isAlive(pid));
      await world.daemon.restart('SIGKILL');
      await waitUntil('it has gone on', async () => (await viewOf(sessionId)).messageCount === 4);
      const client = await world.connect();
      const epoch = String((await client.waitFor('welcome')).data.epoch);
      await client.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch, seq: 0 } } });
      await speak(client, sessionId, 'A person again.');
      const own = continuations(client);
      expect(own).toHaveLength(1);
      const ends = client.events().filter(({ type }) => type === 'streamComplete');
      expect(ends.map(({ data }) => data.finalResult).slice(1)).toEqual(['Went on.', 'A person again.']);
      expect(ends[1]?.data.promptId).toBe(own[0]?.data.promptId);
      const inConversation = world.api.requests
        .slice(before)
        .map(({ messages }) => JSON.stringify(messages).split(CONTINUATION).length - 1);
      expect(inConversation).toEqual([1, 1]);
    },
  );

  test('one who switches it on after the limit is served too; a daemon that was not there then continues when it starts', async () => {
    const { sessionId, reset } = await limited({ autoContinue: false });
    expect(await viewOf(sessionId)).not.toHaveProperty('continuesAt');
    expect(await patch(sessionId, { autoContinue: true })).toMatchObject({ continuesAt: iso(reset) });
    setOffset(AFTER_MS);
    await world.daemon.restart('SIGTERM');
    const client = await world.connect();
    await client.request('subscribe', { events: ['*'] });
    await waitUntil('it has gone on', async () => (await viewOf(sessionId)).messageCount === 4);
    expect(await viewOf(sessionId)).not.toHaveProperty('continuesAt');
  });
});

test('autoContinue is off by default, and a prompt of a person, Stop and the end of the session switch it off', async () => {
  await moveClock(await world.connect(), 0);
  const [never, prompted, stopped, closed] = [
    await limited({ autoContinue: false }),
    await limited(),
    await limited(),
    await limited(),
  ];
  await speak(prompted.client, prompted.sessionId, 'I go on myself.');
  await stopped.client.request('interrupt', { sessionId: stopped.sessionId });
  await closed.client.request('streamClose', { sessionId: closed.sessionId, reason: 'done' });
  const off = [never, prompted, stopped, closed];
  for (const { sessionId } of off) {
    expect(await viewOf(sessionId)).not.toHaveProperty('autoContinue');
    expect(await viewOf(sessionId)).not.toHaveProperty('continuesAt');
  }
  // Another session that is continued shows that the time has come.
  const other = await limited();
  await moveClock(other.client, AFTER_MS);
  await other.client.waitFor(isContinued);
  await speak(other.client, other.sessionId, 'Some time later.');
  for (const { client, sessionId } of off) {
    await client.request('ping', {});
    expect(continuations(client).filter((event) => event.sessionId === sessionId)).toEqual([]);
  }
});
