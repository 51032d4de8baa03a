/** The files of the journal are removed, exchanged or moved away under a daemon that serves. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const file = (name: string) => join(world.daemon.home, name);

let talks = 0;
let shared: string | undefined;

/** A turn in the session of the last one, whose child goes on, or in a session of its own. */
async function haveTalk({ alone = false } = {}) {
  talks += 1;
  const said = `Said in talk ${talks}.`;
  const client = await world.connect();
  if (!alone) shared ??= world.daemon.project();
  const directory = alone ? world.daemon.project() : shared;
  await client.request('subscribe', { events: ['*'] });
  const { data } = await client.request('streamStart', {
    prompt: scenario({ text: said }),
    workingDirectory: directory,
  });
  await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  return { client, said, sessionId: data.sessionId };
}

/** As it was two starts ago: the file is not written before the first checkpoint. */
async function olderCopy() {
  await haveTalk({ alone: true });
  await world.daemon.kill('SIGTERM');
  const bytes = readFileSync(file('journal.db'));
  await world.daemon.start();
  const sessionIds = await sessionsOf();
  await haveTalk({ alone: true });
  await world.daemon.restart('SIGTERM');
  return { bytes, sessionIds };
}

async function sessionsOf(): Promise<string[]> {
  const response = await world.daemon.fetch('/api/sessions?limit=100');
  const { sessions } = (await response.json()) as { sessions: { sessionId: string }[] };
  return sessions.map(({ sessionId }) => sessionId).sort();
}

const damaged = () => readdirSync(world.daemon.home).filter((name) => name.includes('damaged'));

/** That of other people, made by another daemon. */
async function otherJournal() {
  const fixture = join(import.meta.dirname, '../record/fixtures/journal-schema-6.db.gz');
  return { bytes: gunzipSync(readFileSync(fixture)), sessionIds: [] };
}

async function expectWork(client: WireClient, { sessionId, said }: Talk, text: string): Promise<void> {
  await client.request('subscribe', { events: ['*'] });
  const { data } = await client.request('streamSend', { sessionId, prompt: scenario({ text }) });
  const end = await client.waitFor((frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId);
  expect(end.data.finalResult).toBe(text);
  await expectSaid(client, sessionId, said);
}

async function expectSaid(client: WireClient, sessionId: string, ...texts: string[]): Promise<void> {
  const history = await client.request('getMessageHistory', { sessionId });
  for (const text of texts) expect(JSON.stringify(history.data.messages)).toContain(text);
}

type Talk = Pick<Awaited<ReturnType<typeof haveTalk>>, 'sessionId' | 'said'>;

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
      const { client, sessionId, said } = await haveTalk();
      change();
      const promptId = await prompted(client, sessionId);
      expect(promptId).toBe('cut');
      await untilServing();
      const { pid } = world.daemon;
      const again = await world.connect();
      await expectWork(again, { sessionId, said }, 'Still here.');
      await world.daemon.restart('SIGKILL');
      expect(world.daemon.pid).not.toBe(pid);
      await expectSaid(await world.connect(), sessionId, said, 'Still here.');
    },
  );

  test('D1: is cut to nothing: it is noticed before the next answer', async () => {
    const { client, sessionId } = await haveTalk();
    truncateSync(file('journal.db'), 0);
    expect(await prompted(client, sessionId)).toBe('cut');
    await untilServing();
    const { data } = await (await world.connect()).request('streamStart', {
      prompt: scenario({ text: 'Started over.' }),
      workingDirectory: world.daemon.project(),
    });
    expect(data.sessionId).toBeDefined();
  });

  test('D1: is removed while there are no requests: it is back within seconds', async () => {
    const { sessionId, said } = await haveTalk();
    rmSync(file('journal.db'));
    await waitUntil('it is back', () => existsSync(file('journal.db')));
    await untilServing();
    await expectSaid(await world.connect(), sessionId, said);
  });

  test('D1: is removed right before the end: the next start has it', async () => {
    const { sessionId, said } = await haveTalk();
    rmSync(file('journal.db'));
    await world.daemon.restart('SIGTERM');
    await expectSaid(await world.connect(), sessionId, said);
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
    const talk = await haveTalk();
    const { sessionId } = talk;
    const children = world.daemon.sessionProcesses(sessionId);
    expect(children).not.toEqual([]);
    renameSync(world.daemon.home, `${world.daemon.home}-moved`);
    await expectEnd(/companion was moved while the daemon used it/);
    expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
    rmSync(world.daemon.home, { recursive: true, force: true });
    renameSync(`${world.daemon.home}-moved`, world.daemon.home);
    await world.daemon.start();
    await expectWork(await world.connect(), talk, 'Put back.');
  });

  test('H1: is removed: the daemon says so and ends, with its children, and the next start has the sessions', async () => {
    const talk = await haveTalk();
    const { sessionId } = talk;
    rmSync(world.daemon.home, { recursive: true });
    await expectEnd(/companion was removed while the daemon used it/);
    expect(world.daemon.sessionProcesses(sessionId)).toEqual([]);
    await world.daemon.start();
    await expectWork(await world.connect(), talk, 'From memory.');
  });
});

// The last one: it leaves sessions of other people.
describe('the file of the journal, under a daemon that serves', () => {
  const whole = (bytes: Buffer) => writeFileSync(file('journal.db'), bytes);
  /** As a copy that the daemon notices between its first two steps. */
  const cutFirst = async (bytes: Buffer, client: WireClient, sessionId: string) => {
    truncateSync(file('journal.db'), 0);
    expect(await prompted(client, sessionId)).toBe('cut');
    whole(bytes);
  };
  test.each([
    ['an older copy of it', olderCopy, whole],
    ['an older copy of it, bit by bit,', olderCopy, cutFirst],
    ['another journal', otherJournal, whole],
  ])(
    'D3: %s is written into its file: it is noticed before the next answer, and read under a new epoch',
    async (_what, copy, write) => {
      const { sessionIds, bytes } = await copy();
      const { client, sessionId: lost } = await haveTalk({ alone: true });
      const { epoch } = await client.waitFor((frame) => frame.sessionId === lost && frame.epoch !== undefined);
      const asideBefore = damaged();
      await write(bytes, client, lost);
      expect(await prompted(client, lost)).toBe('cut');
      await untilServing();
      const again = await world.connect();
      await again.request('subscribe', { events: ['*'] });
      expect(await sessionsOf()).toEqual(sessionIds);
      const begun = await again.request('streamStart', {
        prompt: scenario({ text: 'On.' }),
        workingDirectory: world.daemon.project(),
      });
      const { epoch: next } = await again.waitFor(
        (frame) => frame.sessionId === begun.data.sessionId && frame.epoch !== undefined,
      );
      expect(next).not.toBe(epoch);
      expect(damaged()).toEqual(asideBefore);
    },
  );
});
