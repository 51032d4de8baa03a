/** `wait` in a terminal, against the real daemon and the real CLI. */
import { beforeAll, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { type CliRun, runInTerminal } from './support/cli-run.js';

const world = useWorld();
const openShared = useSharedSession(world);
let client: WireClient;
let sessionId: string;
let directory: string;

beforeAll(async () => {
  client = await world.connect({ deviceId: 'phone' });
  ({ sessionId, directory } = await openShared(client));
});

const terminal = (...args: string[]): CliRun => runInTerminal({ args: ['wait', ...args], home: world.daemon.home });

const send = async (...steps: Parameters<typeof scenario>): Promise<string> =>
  (await client.request('streamSend', { sessionId, prompt: scenario(...steps) })).data.promptId;

async function resultOf({ exitCode, stdout, stderr }: CliRun) {
  const code = await exitCode;
  return { code, document: JSON.parse(stdout()) as object, err: stderr() };
}
const wait = (...args: string[]) => resultOf(terminal(...args, '--json'));

/** Whether so many follow what waits. */
const isFollowedBy = async (count: number) => {
  const metrics = await (await world.daemon.fetch('/metrics')).text();
  return metrics.includes(`\ncompanion_event_streams ${count}\n`);
};
/** Begins to wait, and is connected when this resolves. */
async function waitConnected(): Promise<CliRun> {
  await waitUntil('earlier ones have left', () => isFollowedBy(0));
  const run = terminal(sessionId, '--json');
  await waitUntil('it waits', () => isFollowedBy(1));
  return run;
}

test('it ends when the session is idle, and tells which prompt it waited for', async () => {
  const promptId = await send({ text: 'Slowly.', gate: 'idle' });
  await world.api.reached('idle');
  const waiting = resultOf(await waitConnected());
  world.api.release('idle');
  const idle = { sessionId, until: 'idle', state: 'idle', reached: true, prompt: { promptId, status: 'completed' } };
  expect(await waiting).toMatchObject({ code: 0, document: idle });
  // Whoever asks after the change gets the same.
  expect(await wait('--dir', directory)).toMatchObject({ code: 0, document: idle });
  const { exitCode, stdout } = terminal(sessionId);
  expect(await exitCode).toBe(0);
  expect(stdout()).toBe(`Prompt ${promptId} is completed, and the session is idle.\n`);
  expect(await wait(sessionId, '--until', 'failed')).toMatchObject({ code: 1, document: { state: 'idle' } });
  expect(await wait(sessionId, '--until', 'waiting')).toMatchObject({ code: 1, document: { state: 'idle' } });
});

test('it waits for all prompts of the session', async () => {
  await send({ text: 'First.', gate: 'queue' });
  await world.api.reached('queue');
  const last = await send({ text: 'Last.' });
  const waiting = wait(sessionId);
  world.api.release('queue');
  expect(await waiting).toMatchObject({ code: 0, document: { prompt: { promptId: last, status: 'completed' } } });
});

test('it ends when the session waits for a person, with the request', async () => {
  const tools = [{ name: 'Write', input: { file_path: 'asked.txt', content: 'x' } }];
  const promptId = await send({ tools }, { text: 'Denied.' });
  const { code, document } = await wait(sessionId, '--until', 'waiting');
  expect({ code, document }).toMatchObject({
    code: 0,
    document: { state: 'waiting', prompt: { promptId, status: 'running' }, permissions: [expect.any(String)] },
  });
  const { exitCode, stdout } = terminal(sessionId, '--until', 'waiting');
  expect(await exitCode).toBe(0);
  expect(stdout()).toContain('waits for an answer:');
  const [permissionId] = (document as { permissions: string[] }).permissions;
  const idle = wait(sessionId);
  await client.request('permission', { sessionId, permissionId, response: 'n', remember: false });
  expect(await idle).toMatchObject({ code: 0, document: { state: 'idle', prompt: { promptId } } });
});

test('a turn that fails is not idle, whether it fails before or after the question', async () => {
  const error = { status: 400, type: 'invalid_request_error', message: 'no such thing' };
  const promptId = await send({ error });
  const failed = { state: 'failed', prompt: { promptId, status: 'failed', subtype: expect.any(String) } };
  expect(await wait(sessionId)).toMatchObject({ code: 1, document: { ...failed, reached: false } });
  expect(await wait(sessionId)).toMatchObject({ code: 1, document: failed });
  expect(await wait(sessionId, '--until', 'failed')).toMatchObject({ code: 0, document: { ...failed, reached: true } });
});

test('it gives up in time', async () => {
  await send({ text: 'Late.', gate: 'late' });
  await world.api.reached('late');
  expect(await wait(sessionId, '--timeout', '0.1')).toMatchObject({
    code: 124,
    document: { sessionId, state: 'timeout', reached: false },
  });
  const waiting = await waitConnected();
  waiting.interrupt();
  expect(await waiting.exitCode).toBe(130);
  world.api.release('late');
  expect(await wait(sessionId)).toMatchObject({ code: 0 });
});

test('it refuses what it cannot wait for', async () => {
  expect(await wait('none')).toMatchObject({ code: 1, document: { error: { code: 'SESSION_NOT_FOUND' } } });
  const invalid = { code: 1, document: { error: { code: 'INVALID_REQUEST' } } };
  expect(await wait(sessionId, '--timeout', 'soon')).toMatchObject(invalid);
  expect(await wait(sessionId, '--timeout', '-1')).toMatchObject(invalid);
  const unknown = terminal(sessionId, '--until', 'later');
  expect(await unknown.exitCode).toBe(1);
  expect(unknown.stderr()).toContain('Allowed choices are idle, waiting, failed.');
});

test('it goes on after a daemon that is killed, and without any it says so', async () => {
  const promptId = await send({ text: 'Across.', gate: 'killed' });
  await world.api.reached('killed');
  const waiting = resultOf(await waitConnected());
  await world.daemon.restart('SIGKILL');
  await waitUntil('it waits again', () => isFollowedBy(1));
  world.api.release('killed');
  expect(await waiting).toMatchObject({ code: 0, document: { prompt: { promptId, status: 'completed' } } });
  const nobody = runInTerminal({ args: ['wait', sessionId, '--json'], home: world.daemon.project() });
  expect(await resultOf(nobody)).toMatchObject({ code: 2, document: { error: { code: 'NO_DAEMON' } } });
});
