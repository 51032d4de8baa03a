/** The daemon itself does not run for a while, as with a machine that sleeps, or under a debugger: nobody else is blamed for it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { hurry } from '../support/hurry.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { createSteps, isEndOf } from './prompt-steps.js';
import { makeQuickCli } from './quick-cli.js';

const FASTER = 10;
/** In real seconds: longer than the grace for orphans, and by the daemon's clock than what a child may take to react. */
const ASLEEP_S = 4;

const folder = mkdtempSync(join(tmpdir(), 'companion-cli-'));
const environment = { CLAUDE_PATH: makeQuickCli(folder), ORPHAN_GRACE_MS: '500', ...hurry(FASTER) };
const world = useWorld({ environment });
const { openSession, view } = createSteps(world);
afterAll(() => rmSync(folder, { recursive: true }));

/** The daemon stops, this happens, and it goes on. */
async function asleep(meanwhile: () => Promise<unknown>): Promise<void> {
  const { pid } = world.daemon;
  process.kill(pid, 'SIGSTOP');
  try {
    await meanwhile();
    // Another process measures how long that is, as the one that is stopped cannot.
    await once(spawn('sleep', [String(ASLEEP_S)]), 'exit');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

const expectAnswer = async (client: WireClient, promptId: unknown, finalResult: string) => {
  const end = await client.waitFor(isEndOf(String(promptId)));
  expect(end.data).toMatchObject({ subtype: 'success', finalResult });
};

/** What would have told of a child that was given up. */
const errorsOf = (client: WireClient) => client.events().filter(({ type }) => type === 'error');

test('H1, H3: its children are neither orphans nor hung: those that work, wait or are idle go on', async () => {
  const client = await world.connect();
  const sessions = [await openSession(client), await openSession(client), await openSession(client)] as const;
  const [idle, working, waiting] = sessions;
  const text = 'Said while nobody listened. '.repeat(10);
  const prompt = scenario({ text, gateAfter: { deltas: 3, gate: 'asleep' } });
  const works = await client.request('streamSend', { sessionId: working.sessionId, prompt });
  const tool = { name: 'Bash', input: { command: 'echo hi > it.txt', description: 'x' } };
  const asks = scenario({ tools: [tool] }, { text: 'Allowed.' });
  const waits = await client.request('streamSend', { sessionId: waiting.sessionId, prompt: asks });
  const { permissionId } = (await client.waitFor('permissionRequest')).data;
  await world.api.reached('asleep');
  await asleep(async () => world.api.release('asleep'));
  const after = await world.connect();
  await after.request('subscribe', { events: ['*'] });
  const rest = await after.request('streamSend', { sessionId: idle.sessionId, prompt: scenario({ text: 'Awake.' }) });
  await expectAnswer(after, rest.data.promptId, 'Awake.');
  const answer = { sessionId: waiting.sessionId, permissionId, response: 'y', remember: false };
  expect((await after.request('permission', answer)).type).toBe('permissionAccepted');
  await expectAnswer(after, waits.data.promptId, 'Allowed.');
  for (const { sessionId, pid } of sessions) expect((await view(sessionId)).pid).toBe(pid);
  const reader = await world.connect();
  const epoch = String(reader.frames[0]?.data.epoch);
  const cursors = Object.fromEntries(sessions.map(({ sessionId }) => [sessionId, { epoch, seq: 0 }]));
  await reader.request('subscribe', { events: ['*'], cursors });
  await expectAnswer(reader, works.data.promptId, text);
  await reader.request('ping', {});
  expect(errorsOf(reader)).toEqual([]);
});

test('H1: an interrupt that was taken up meanwhile counts, though the time for it has passed', async () => {
  const client = await world.connect();
  const { sessionId, pid } = await openSession(client);
  const prompt = scenario({ text: 'Never said.', gate: 'taken up' });
  const { data } = await client.request('streamSend', { sessionId, prompt });
  await world.api.reached('taken up');
  process.kill(pid, 'SIGSTOP');
  await client.request('interrupt', { sessionId });
  const output = join(world.daemon.home, 'run', sessionId, 'stdout.jsonl');
  await asleep(async () => {
    process.kill(pid, 'SIGCONT');
    await waitUntil('the turn has ended', () => readFileSync(output, 'utf8').includes('"type":"result"'));
  });
  const after = await world.connect({ deviceId: client.deviceId });
  const next = await after.request('streamSend', { sessionId, prompt: scenario({ text: 'Awake.' }) });
  await expectAnswer(after, next.data.promptId, 'Awake.');
  const ends = [...client.events(sessionId), ...after.events(sessionId)].filter(isEndOf(data.promptId));
  expect(ends[0]?.data).toMatchObject({ subtype: 'interrupted' });
  expect([...errorsOf(client), ...errorsOf(after)]).toEqual([]);
  expect((await view(sessionId)).pid).toBe(pid);
});
