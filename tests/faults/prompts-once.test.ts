/** What becomes of one prompt, whatever dies, and wherever. */

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { isAlive } from '../support/wait-until.js';
import type { Frame } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { createSteps, isEndOf, marked } from './prompt-steps.js';
import { makeQuickCli } from './quick-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-kill-'));
const killPoint = join(folder, 'kill-point.json');
const preload = join(import.meta.dirname, '../support/kill-points.mjs');
const cli = makeQuickCli(folder);
const environment = { NODE_OPTIONS: `--import ${preload}`, KILL_POINT_FILE: killPoint, CLAUDE_PATH: cli };
const world = useWorld({ environment });

afterAll(() => rmSync(folder, { recursive: true }));

/** Three attachments that make a line of 3 MB. */
const MEGABYTES = Array.from({ length: 3 }, () => ({
  mediaType: 'image/png' as const,
  data: Buffer.alloc(750_000, 7).toString('base64'),
}));

interface Arm {
  point: string;
  mark: string;
  bytes?: number;
}

const arm = (where: Arm) => writeFileSync(killPoint, JSON.stringify(where));

/** Resolves when the daemon has died at the point it was armed with, and another one serves. */
async function afterDeath(): Promise<void> {
  const { pid } = world.daemon;
  await world.daemon.until(() => !isAlive(pid));
  await world.daemon.restart('SIGKILL');
}

/** Where the daemon dies, and whether the prompt has been accepted then. */
const POINTS = [
  ['before-commit', false],
  ['in-commit', false],
  ['after-commit', true],
  ['before-write', true],
  ['after-write', true],
  ['before-sync', true],
  ['after-sync', true],
  ['before-answer', true],
  ['after-answer', true],
] as const;

const { takeSession, ranOnce, view } = createSteps(world);

describe('the daemon is killed', () => {
  test.each(POINTS)(
    'I1: %s of a prompt: sent again, it is the same prompt, and it runs once',
    async (point, isKnown) => {
      const deviceId = `send-${point}`;
      const before = await world.connect({ deviceId });
      const { sessionId, pid } = await takeSession(before);
      const { mark, prompt } = marked({ text: 'Once.' });
      arm({ point, mark });
      const first = await before.request('streamSend', { sessionId, prompt }, mark).catch(() => undefined);
      await afterDeath();
      const after = await world.connect({ deviceId });
      const again = await after.request('streamSend', { sessionId, prompt }, mark);
      expect(again).toMatchObject({ type: 'promptAccepted', data: { position: 0, duplicate: isKnown } });
      if (first) expect(again.data).toEqual({ ...first.data, duplicate: true });
      const end = await ranOnce(again.data.sessionId, { mark, promptId: again.data.promptId });
      expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Once.' });
      expect((await view(sessionId)).pid).toBe(pid);
    },
  );

  test('H2, I1: after a prompt that is longer than one write and fits into the pipe: the same child runs it', async () => {
    const before = await world.connect({ deviceId: 'fits' });
    const { sessionId, pid } = await takeSession(before);
    const { mark, prompt } = marked({ text: 'Fits.' });
    const long = prompt + 'x'.repeat(30_000);
    arm({ point: 'before-sync', mark });
    before.send('streamSend', { sessionId, prompt: long }, mark);
    await afterDeath();
    const after = await world.connect({ deviceId: 'fits' });
    const again = await after.request('streamSend', { sessionId, prompt: long }, mark);
    await ranOnce(again.data.sessionId, { mark, promptId: again.data.promptId });
    expect((await view(sessionId)).pid).toBe(pid);
  });

  test.each(['in-commit', 'after-commit', 'after-write', 'after-sync', 'before-answer'])(
    'I1: %s of the prompt that opens a session: it runs once, and its device is told all of it',
    async (point) => {
      const deviceId = `start-${point}`;
      const before = await world.connect({ deviceId });
      const { mark, prompt } = marked({ text: 'Opened.' });
      const start = { prompt, workingDirectory: world.daemon.project() };
      arm({ point, mark });
      const first = await before.request('streamStart', start, mark).catch(() => undefined);
      await afterDeath();
      const after = await world.connect({ deviceId });
      const again = await after.request('streamStart', start, mark);
      expect(again.type).toBe('streamStarted');
      if (first) expect(again.data).toEqual(first.data);
      const end = await ranOnce(again.data.sessionId, { mark, promptId: again.data.promptId });
      expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Opened.' });
      expect(world.daemon.sessionProcesses(again.data.sessionId)).toHaveLength(1);
    },
  );

  test.each([
    ['the first byte', 1],
    ['what a pipe holds', 65_536],
    ['a megabyte', 1_000_000],
    ['all but its newline', -1],
  ])('I1: after %s of a line of 3 MB: another child gets it, once', async (_, bytes) => {
    const deviceId = `torn-at${bytes}`;
    const before = await world.connect({ deviceId });
    const { sessionId, pid } = await takeSession(before);
    const { mark, prompt } = marked({ text: 'Whole.' });
    arm({ point: 'mid-write', mark, bytes });
    before.send('streamSend', { sessionId, prompt, attachments: MEGABYTES }, mark);
    await afterDeath();
    const after = await world.connect({ deviceId });
    const again = await after.request('streamSend', { sessionId, prompt, attachments: MEGABYTES }, mark);
    expect(again.data.duplicate).toBe(true);
    const end = await ranOnce(again.data.sessionId, { mark, promptId: again.data.promptId });
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Whole.' });
    expect((await view(sessionId)).pid).not.toBe(pid);
  });

  test('I1, H2: a daemon that is stopped in an orderly way in a line of 3 MB: another child gets it, once', async () => {
    const before = await world.connect({ deviceId: 'torn-by-stop' });
    const { sessionId, pid } = await takeSession(before);
    const { mark, prompt } = marked({ text: 'Whole after all.' });
    // A child that does not read keeps the line from ending.
    process.kill(pid, 'SIGSTOP');
    const sent = await before.request('streamSend', { sessionId, prompt, attachments: MEGABYTES }, mark);
    await world.daemon.kill('SIGTERM');
    process.kill(pid, 'SIGCONT');
    await world.daemon.start();
    const end = await ranOnce(sessionId, { mark, promptId: sent.data.promptId });
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Whole after all.' });
    expect((await view(sessionId)).pid).not.toBe(pid);
  });

  test('I1: after all of a line of 3 MB, before it was noted that it is out: the turn that it began goes on', async () => {
    const before = await world.connect({ deviceId: 'torn-at-end' });
    const { sessionId } = await takeSession(before);
    const { mark, prompt } = marked({ text: 'Went on.', gate: 'torn-at-end' });
    arm({ point: 'mid-write', mark, bytes: 0 });
    before.send('streamSend', { sessionId, prompt, attachments: MEGABYTES }, mark);
    await world.api.reached('torn-at-end');
    await afterDeath();
    world.api.release('torn-at-end');
    const after = await world.connect({ deviceId: 'torn-at-end' });
    const again = await after.request('streamSend', { sessionId, prompt, attachments: MEGABYTES }, mark);
    const end = await ranOnce(again.data.sessionId, { mark, promptId: again.data.promptId });
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Went on.' });
  });

  test('I1, D3: a device that joined a session with a prompt, and was not told so, is told all that came of it', async () => {
    const owner = await world.connect({ deviceId: 'owner' });
    const { sessionId } = await takeSession(owner);
    const { workingDirectory } = await view(sessionId);
    const { mark, prompt } = marked({ text: 'Said to nobody.' });
    const guest = await world.connect({ deviceId: 'guest' });
    arm({ point: 'before-sync', mark });
    guest.send('streamStart', { prompt, workingDirectory }, mark);
    await afterDeath();
    const back = await world.connect({ deviceId: 'owner' });
    await back.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Said to nobody.');
    const after = await world.connect({ deviceId: 'guest' });
    const again = await after.request('streamStart', { prompt, workingDirectory }, mark);
    expect((await ranOnce(again.data.sessionId, { mark, promptId: again.data.promptId })).data.finalResult).toBe(
      'Said to nobody.',
    );
  });
});

describe('a request comes twice', () => {
  test('I1: without waiting, on one connection: two answers, one turn', async () => {
    const client = await world.connect();
    const { sessionId } = await takeSession(client);
    const { mark, prompt } = marked({ text: 'One turn.' });
    client.send('streamSend', { sessionId, prompt }, mark);
    client.send('streamSend', { sessionId, prompt }, mark);
    const isAnswer = ({ requestId, data }: Frame) => requestId === mark && data.duplicate === true;
    const second = await client.waitFor(isAnswer);
    const first = client.frames.find(({ requestId }) => requestId === mark);
    expect(first?.data).toEqual({ ...second.data, duplicate: false });
    await ranOnce(second.data.sessionId, { mark, promptId: second.data.promptId });
  });

  test('I1: on two connections of a device at once: the newer one takes over, one turn', async () => {
    const deviceId = 'twice';
    const older = await world.connect({ deviceId });
    const { sessionId } = await takeSession(older);
    const { mark, prompt } = marked({ text: 'One turn.' });
    const connecting = world.connect({ deviceId });
    older.send('streamSend', { sessionId, prompt }, mark);
    const newer = await connecting;
    const answer = await newer.request('streamSend', { sessionId, prompt }, mark);
    expect(answer.type).toBe('promptAccepted');
    expect(await older.closed).toBe(4409);
    const told = older.frames.find(({ requestId }) => requestId === mark);
    if (told) expect(answer.data).toEqual({ ...told.data, duplicate: true });
    await ranOnce(answer.data.sessionId, { mark, promptId: answer.data.promptId });
  });

  test('I1: when the CLI is no longer there: it gets its first answer, and only a new one is refused', async () => {
    const client = await world.connect();
    const { sessionId } = await takeSession(client);
    const { mark, prompt } = marked({ text: 'Accepted before.' });
    const first = await client.request('streamSend', { sessionId, prompt }, mark);
    await client.waitFor(isEndOf(first.data.promptId));
    renameSync(cli, `${cli}.gone`);
    const [again, other] = [
      await client.request('streamSend', { sessionId, prompt }, mark),
      await client.request('streamSend', { sessionId, prompt }),
    ];
    renameSync(`${cli}.gone`, cli);
    expect(again.data).toEqual({ ...first.data, duplicate: true });
    expect(other.data.code).toBe('CLAUDE_UNAVAILABLE');
    expect(world.api.runs(mark)).toBe(1);
  });

  test('I1: from two devices: two prompts, since the id is the device its own', async () => {
    const [one, two] = [await world.connect({ deviceId: 'one' }), await world.connect({ deviceId: 'two' })];
    const { sessionId } = await takeSession(one);
    const { mark, prompt } = marked({ text: 'Twice wanted.' });
    const answers = await Promise.all(
      [one, two].map((client) => client.request('streamSend', { sessionId, prompt }, mark)),
    );
    expect(answers.map(({ data }) => data.duplicate)).toEqual([false, false]);
    for (const { data } of answers) await one.waitFor(isEndOf(data.promptId));
    expect(world.api.runs(mark)).toBe(2);
  });
});
