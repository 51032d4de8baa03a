/** The files of the journal are removed, exchanged or moved away under a daemon that serves. */
import { existsSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const file = (name: string) => join(world.daemon.home, name);

async function haveTalk() {
  const client = await world.connect();
  const directory = world.daemon.project();
  await client.request('subscribe', { events: ['*'] });
  const { data } = await client.request('streamStart', {
    prompt: scenario({ text: 'Said before.' }),
    workingDirectory: directory,
  });
  await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  return { client, directory, sessionId: data.sessionId };
}

async function expectWork(client: WireClient, sessionId: string, text: string): Promise<void> {
  await client.request('subscribe', { events: ['*'] });
  const { data } = await client.request('streamSend', { sessionId, prompt: scenario({ text }) });
  const end = await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  expect(end.data.finalResult).toBe(text);
  await expectSaid(client, sessionId, 'Said before.');
}

async function expectSaid(client: WireClient, sessionId: string, ...texts: string[]): Promise<void> {
  const history = await client.request('getMessageHistory', { sessionId });
  for (const text of texts) expect(JSON.stringify(history.data.messages)).toContain(text);
}

/** Resolves with what became of a prompt: it was accepted, or the connection ended. */
const prompted = (client: WireClient, sessionId: string): Promise<string> =>
  client.request('streamSend', { sessionId, prompt: scenario({ text: 'Meanwhile.' }) }).then(
    ({ data }) => data.promptId,
    () => 'cut',
  );

const untilServing = () =>
  waitUntil('it serves again', () =>
    world.daemon.fetch('/ready').then(
      ({ ok }) => ok,
      () => false,
    ),
  );

const CHANGES: [string, () => void][] = [
  ['journal.db is removed', () => rmSync(file('journal.db'))],
  [
    'all of the journal is removed',
    () => {
      for (const name of readdirSync(world.daemon.home)) if (name.startsWith('journal.')) rmSync(file(name));
    },
  ],
  [
    'another file is put in its place',
    () => {
      writeFileSync(file('other'), 'not a journal at all');
      renameSync(file('other'), file('journal.db'));
    },
  ],
  ['journal.db is moved away', () => renameSync(file('journal.db'), file('journal.db.bak'))],
  ['its log is removed', () => rmSync(file('journal.db-wal'))],
];

describe('the journal of a daemon that serves', () => {
  test.each(CHANGES)(
    'D1, I1: %s: nothing that was answered is lost, now and after a restart',
    async (_what, change) => {
      const { client, sessionId } = await haveTalk();
      change();
      const promptId = await prompted(client, sessionId);
      expect(promptId).toBe('cut');
      await untilServing();
      const { pid } = world.daemon;
      const again = await world.connect();
      await expectWork(again, sessionId, 'Still here.');
      await world.daemon.restart('SIGKILL');
      expect(world.daemon.pid).not.toBe(pid);
      await expectSaid(await world.connect(), sessionId, 'Said before.', 'Still here.');
    },
  );

  test('D1: is cut to nothing: it is noticed before the next answer', async () => {
    const { client, sessionId } = await haveTalk();
    truncateSync(file('journal.db'), 0);
    expect(await prompted(client, sessionId)).toBe('cut');
    await untilServing();
    const { data } = await (await world.connect()).request('streamStart', {
      prompt: scenario({ text: 'Begun anew.' }),
      workingDirectory: world.daemon.project(),
    });
    expect(data.sessionId).toBeDefined();
  });

  test('D1: is removed while nobody asks for anything: it is back within seconds', async () => {
    const { sessionId } = await haveTalk();
    rmSync(file('journal.db'));
    await waitUntil('it is back', () => existsSync(file('journal.db')));
    await untilServing();
    await expectSaid(await world.connect(), sessionId, 'Said before.');
  });

  test('D1: is removed right before the end: the next start has it', async () => {
    const { sessionId } = await haveTalk();
    rmSync(file('journal.db'));
    await world.daemon.restart('SIGTERM');
    await expectSaid(await world.connect(), sessionId, 'Said before.');
  });
});

describe('the home of a daemon that serves', () => {
  const expectEnd = async (said: RegExp) => {
    const { pid } = world.daemon;
    await waitUntil('it ends', () => !isAlive(pid));
    expect(world.daemon.stderr()).toMatch(said);
    expect(world.daemon.stderr()).not.toContain('    at ');
    await world.daemon.kill('SIGTERM');
  };

  test('H1: is moved away: the daemon says so and ends, with its children; put back, it is all there', async () => {
    const { sessionId } = await haveTalk();
    const children = world.daemon.sessionProcesses(sessionId);
    expect(children).not.toEqual([]);
    renameSync(world.daemon.home, `${world.daemon.home}-moved`);
    await expectEnd(/companion was moved while the daemon used it/);
    expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
    rmSync(world.daemon.home, { recursive: true, force: true });
    renameSync(`${world.daemon.home}-moved`, world.daemon.home);
    await world.daemon.start();
    await expectWork(await world.connect(), sessionId, 'Put back.');
  });

  test('H1: is removed: the daemon says so and ends, with its children, and the next start has the sessions', async () => {
    const { sessionId } = await haveTalk();
    rmSync(world.daemon.home, { recursive: true });
    await expectEnd(/companion was removed while the daemon used it/);
    expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
    await world.daemon.start();
    await expectWork(await world.connect(), sessionId, 'From memory.');
  });
});
