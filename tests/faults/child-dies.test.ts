/** What becomes of one prompt when its child dies, with the daemon beside it or after the daemon. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { createSteps, isEndOf, marked } from './prompt-steps.js';
import { makeQuickCli } from './quick-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-cli-'));
const world = useWorld({ environment: { CLAUDE_PATH: makeQuickCli(folder) } });
afterAll(() => rmSync(folder, { recursive: true }));

const { takeSession, ranOnce, view } = createSteps(world);

interface Moment {
  client: WireClient;
  sessionId: string;
  pid: number;
}

/** Kills the child, alone or while there is no daemon; the device is connected again afterwards. */
async function killChild({ client, pid }: Moment, daemonToo: boolean): Promise<WireClient> {
  if (daemonToo) await world.daemon.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  if (!daemonToo) return client;
  await world.daemon.start();
  return world.connect({ deviceId: client.deviceId });
}

const begin = async (): Promise<Moment> => {
  const client = await world.connect();
  return { client, ...(await takeSession(client)) };
};

/** Asked for again, the prompt is still the same, has the same end and was not begun again. */
async function isSettled(client: WireClient, sessionId: string, { mark, prompt }: ReturnType<typeof marked>) {
  const again = await client.request('streamSend', { sessionId, prompt }, mark);
  expect(again.data).toMatchObject({ duplicate: true });
  const next = marked({ text: 'Next.' });
  const other = await client.request('streamSend', { sessionId, prompt: next.prompt }, next.mark);
  expect(
    (await ranOnce(other.data.sessionId, { mark: next.mark, promptId: other.data.promptId })).data.finalResult,
  ).toBe('Next.');
  await ranOnce(again.data.sessionId, { mark, promptId: again.data.promptId });
}

describe.each([
  ['alone', false],
  ['while there is no daemon', true],
])('the child is killed %s', (_, daemonToo) => {
  test('I1: idle, right before a prompt comes: the next child gets it, once', async () => {
    const moment = await begin();
    const client = await killChild(moment, daemonToo);
    const { mark, prompt } = marked({ text: 'By another.' });
    const sent = await client.request('streamSend', { sessionId: moment.sessionId, prompt }, mark);
    const end = await ranOnce(sent.data.sessionId, { mark, promptId: sent.data.promptId });
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'By another.' });
    expect((await view(moment.sessionId)).pid).not.toBe(moment.pid);
  });

  test('I1: before it has read the prompt: the next child gets it, once', async () => {
    const moment = await begin();
    const { mark, prompt } = marked({ text: 'By another.' });
    process.kill(moment.pid, 'SIGSTOP');
    const sent = await moment.client.request('streamSend', { sessionId: moment.sessionId, prompt }, mark);
    await killChild(moment, daemonToo);
    const end = await ranOnce(sent.data.sessionId, { mark, promptId: sent.data.promptId });
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'By another.' });
  });

  test('I1: when the API was asked and nothing was said yet: the turn is over, and nothing is begun again', async () => {
    const moment = await begin();
    const gate = `asked-${daemonToo}`;
    const wanted = marked({ text: 'Never said.', gate });
    const { mark, prompt } = wanted;
    const sent = await moment.client.request('streamSend', { sessionId: moment.sessionId, prompt }, mark);
    await world.api.reached(gate);
    const client = await killChild(moment, daemonToo);
    world.api.release(gate);
    const end = await client.waitFor(isEndOf(sent.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'child_exited', isError: true });
    await isSettled(client, moment.sessionId, wanted);
  });

  test('I1: inside a tool: the turn is over, and the tool does not run again', async () => {
    const moment = await begin();
    const { client: before, sessionId } = moment;
    const runs = join((await view(sessionId)).workingDirectory, `runs-${daemonToo}`);
    const tool = { name: 'Bash', input: { command: `echo ran >> ${runs} && sleep 600`, description: 'Run' } };
    const wanted = marked({ tools: [tool] }, { text: 'Never said.' });
    const sent = await before.request('streamSend', { sessionId, prompt: wanted.prompt }, wanted.mark);
    const { permissionId } = (await before.waitFor('permissionRequest')).data;
    await before.request('permission', { sessionId, permissionId, response: 'y', remember: false });
    await waitUntil('the tool runs', () => existsSync(runs));
    const client = await killChild(moment, daemonToo);
    expect((await client.waitFor(isEndOf(sent.data.promptId))).data.subtype).toBe('child_exited');
    await isSettled(client, sessionId, wanted);
    expect(readFileSync(runs, 'utf8')).toBe('ran\n');
  });

  test('I1: after the turn: it has ended, as it did', async () => {
    const moment = await begin();
    const wanted = marked({ text: 'Done.' });
    const sent = await moment.client.request(
      'streamSend',
      { sessionId: moment.sessionId, prompt: wanted.prompt },
      wanted.mark,
    );
    const end = await moment.client.waitFor(isEndOf(sent.data.promptId));
    const client = await killChild(moment, daemonToo);
    const same = ({ seq }: Frame) => seq === end.seq;
    if (daemonToo) expect((await client.waitFor(same)).data).toEqual(end.data);
    await isSettled(client, moment.sessionId, wanted);
  });
});

test('I1, H2: a turn that ended and whose child was killed, both while there was no daemon, has ended well', async () => {
  const { client, sessionId, pid } = await begin();
  const output = join(world.daemon.home, 'run', sessionId, 'stdout.jsonl');
  const said = readFileSync(output, 'utf8').length;
  const wanted = marked({ text: 'Ended alone.', gate: 'alone' });
  const sent = await client.request('streamSend', { sessionId, prompt: wanted.prompt }, wanted.mark);
  await world.api.reached('alone');
  await world.daemon.kill('SIGKILL');
  world.api.release('alone');
  await waitUntil('the child has told the result', () =>
    readFileSync(output, 'utf8').includes('"type":"result"', said),
  );
  process.kill(pid, 'SIGKILL');
  await world.daemon.start();
  const after = await world.connect({ deviceId: client.deviceId });
  const end = await after.waitFor(isEndOf(sent.data.promptId));
  expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Ended alone.' });
  await isSettled(after, sessionId, wanted);
});

test('H1, I1: a child that a later daemon has taken up is killed: its turn is over, its words are kept, the next prompt works', async () => {
  const before = await begin();
  const { sessionId, pid } = before;
  const text = 'Half of this is said. '.repeat(10);
  const wanted = marked({ text, gateAfter: { deltas: 4, gate: 'adopted' } });
  const sent = await before.client.request('streamSend', { sessionId, prompt: wanted.prompt }, wanted.mark);
  await world.api.reached('adopted');
  await world.daemon.restart('SIGTERM');
  const client = await world.connect({ deviceId: before.client.deviceId });
  expect((await view(sessionId)).pid).toBe(pid);
  await client.waitFor(({ type, data }) => type === 'streamData' && data.sessionId === sessionId);
  process.kill(pid, 'SIGKILL');
  expect((await client.waitFor(isEndOf(sent.data.promptId))).data).toMatchObject({ subtype: 'child_exited' });
  const told = await client.waitFor(({ type, data }) => type === 'error' && data.sessionId === sessionId);
  expect(told.data.code).toBe('CLAUDE_UNAVAILABLE');
  const partial = await client.waitFor(({ type, data }) => type === 'assistantMessage' && data.partial === true);
  expect(text.startsWith(partial.data.content[0]?.text ?? '?')).toBe(true);
  world.api.release('adopted');
  await isSettled(client, sessionId, wanted);
});

test('I1: the daemon dies in the middle of a long line and the child in mid-text: what it said ends, what it was not given runs', async () => {
  const { client, sessionId, pid } = await begin();
  const wanted = marked({ text: 'Half of this is said. '.repeat(10), gateAfter: { deltas: 4, gate: 'torn' } });
  const sent = await client.request('streamSend', { sessionId, prompt: wanted.prompt }, wanted.mark);
  await client.waitFor(({ type, data }) => type === 'streamData' && data.sessionId === sessionId);
  await world.api.reached('torn');
  process.kill(pid, 'SIGSTOP');
  const image = { mediaType: 'image/png' as const, data: Buffer.alloc(750_000, 7).toString('base64') };
  const attachments = [image, image, image];
  const prompt = scenario({ text: 'By another.' });
  const long = await client.request('streamSend', { sessionId, prompt, attachments, mode: 'steer' });
  await world.daemon.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await world.daemon.start();
  world.api.release('torn');
  const after = await world.connect({ deviceId: client.deviceId });
  expect((await after.waitFor(isEndOf(sent.data.promptId))).data.subtype).toBe('child_exited');
  expect((await after.waitFor(isEndOf(long.data.promptId))).data.finalResult).toBe('By another.');
  await isSettled(after, sessionId, wanted);
});

test('a session whose daemon and child died while it was being closed is closed, and no crash is reported', async () => {
  const { client, sessionId, pid } = await begin();
  process.kill(pid, 'SIGSTOP');
  await client.request('streamClose', { sessionId, reason: 'done' });
  await world.daemon.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await world.daemon.start();
  const after = await world.connect({ deviceId: client.deviceId });
  await waitUntil('the session has no child', async () => (await view(sessionId)).pid === undefined);
  await after.waitFor(({ type, data }) => type === 'caughtUp' && data.sessionId === sessionId);
  await after.request('ping', {});
  expect((await view(sessionId)).status).toBe('closed');
  expect(after.events(sessionId).filter(({ type }) => type === 'error')).toEqual([]);
});
