/** A journal that is lost, cut, restored or altered between two daemons, or under one: each time it serves again. */
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { commitEnds, type JournalBytes, readBytes } from './journal-bench.js';

const world = useWorld();

const file = (name: string) => join(world.daemon.home, name);
const DATABASE = 'journal.db';
const LOG = 'journal.db-wal';
const MARK = 'journal.mark';
let talks = 0;

interface Talk {
  deviceId: string;
  sessionId: string;
  directory: string;
  epoch: string;
  /** What Claude said in it. */
  said: string;
}

/** A device that has seen a turn, and has acknowledged it. */
async function haveTalk(): Promise<Talk> {
  talks += 1;
  const deviceId = `device-${talks}`;
  const client = await world.connect({ deviceId });
  await client.request('subscribe', { events: ['*'] });
  const said = `Said in talk ${talks}, and never again.`;
  const directory = world.daemon.project();
  const { data } = await client.request('streamStart', {
    prompt: scenario({ text: said }),
    workingDirectory: directory,
  });
  const { sessionId } = data;
  const idle = await client.waitFor(
    (frame) => frame.type === 'sessionStatus' && frame.sessionId === sessionId && frame.data.status === 'idle',
  );
  const { epoch = '', seq = 0 } = idle;
  client.send('ack', { sessionId, seq });
  await client.request('ping', {});
  return { deviceId, sessionId, directory, epoch, said };
}

async function expectReset({ deviceId, sessionId, epoch }: Talk): Promise<WireClient> {
  const client = await world.connect({ deviceId });
  const reset = await client.waitFor((frame) => frame.type === 'reset' && frame.data.sessionId === sessionId);
  expect(reset.data.reason).toBe('epoch');
  expect(reset.data.epoch).not.toBe(epoch);
  await client.waitFor((frame) => frame.type === 'caughtUp' && frame.data.sessionId === sessionId);
  return client;
}

async function expectWork(client: WireClient, sessionId: string): Promise<void> {
  const from = client.frames.length;
  const { data } = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Still here.' }) });
  const end = await client.waitFor(
    (frame) => frame.type === 'streamComplete' && frame.data.promptId === data.promptId,
    from,
  );
  expect(end.data.finalResult).toBe('Still here.');
}

const historyOf = async (client: WireClient, sessionId: string): Promise<unknown> =>
  (await client.request('getMessageHistory', { sessionId })).data.messages;

/**
 * Alters one bit of the first letter of this text, where it stands in the file after these other letters: everywhere, for
 * pages keep copies of rows that were moved.
 */
function flipIn(name: string, before: string, text: string): void {
  const bytes = readFileSync(file(name));
  let at = bytes.indexOf(before + text);
  expect(at).toBeGreaterThan(0);
  for (; at >= 0; at = bytes.indexOf(before + text, at)) bytes[at + before.length] = altered(text).charCodeAt(0);
  // In place: a file that is emptied first would be noticed as one that was cut.
  const open = openSync(file(name), 'r+');
  writeSync(open, bytes);
  closeSync(open);
}

const altered = (text: string): string => String.fromCharCode(text.charCodeAt(0) ^ 1) + text.slice(1);

/** How what Claude said stands in its events. */
const BEFORE_RESULT = '","finalResult":"';
const BEFORE_SAID = '[{"type":"text","text":"';

const untilServing = () =>
  waitUntil('it serves again', () =>
    world.daemon.fetch('/live').then(
      ({ ok }) => ok,
      () => false,
    ),
  );

function restore({ database, log, mark }: JournalBytes): void {
  writeFileSync(file(DATABASE), database);
  rmSync(file(`${DATABASE}-shm`), { force: true });
  writeFileSync(file(LOG), log);
  if (mark) writeFileSync(file(MARK), mark);
}

describe('a journal that is not the one that was written last', () => {
  test('D3: its log is cut: a new epoch, and what the child said since is read again', async () => {
    const talk = await haveTalk();
    await world.daemon.kill('SIGKILL');
    const log = readFileSync(file(LOG));
    const said = log.indexOf(BEFORE_SAID + talk.said);
    const end = commitEnds(log).findLast((at) => at < said) ?? 0;
    expect(end).toBeGreaterThan(0);
    truncateSync(file(LOG), end + 1000);
    await world.daemon.start();
    const client = await expectReset(talk);
    await expectWork(client, talk.sessionId);
    expect(JSON.stringify(await historyOf(client, talk.sessionId))).toContain(BEFORE_SAID + talk.said);
  });

  test('D3: its database is cut: it serves what can be read of it under a new epoch, or starts the session over', async () => {
    const talk = await haveTalk();
    await world.daemon.kill('SIGTERM');
    truncateSync(file(DATABASE), statSync(file(DATABASE)).size - 5000);
    await world.daemon.start();
    const client = await world.connect({ deviceId: talk.deviceId });
    expect((await client.waitFor('welcome')).data.epoch).not.toBe(talk.epoch);
    const { data } = await client.request('streamStart', { prompt: '', workingDirectory: talk.directory });
    await expectWork(client, data.sessionId);
  });

  test('D1, D3: an event is altered under a daemon that runs: it is never shown, and the daemon serves on', async () => {
    const talk = await haveTalk();
    await world.daemon.restart('SIGTERM');
    const { url, pid } = world.daemon;
    const children = world.daemon.sessionProcesses(talk.sessionId);
    flipIn(DATABASE, BEFORE_SAID, talk.said);
    const witness = await world.connect({ deviceId: 'witness' });
    const cursor = { epoch: talk.epoch, seq: 0 };
    witness.send('subscribe', { events: ['*'], cursors: { [talk.sessionId]: cursor } });
    expect(await witness.closed).toBe(1012);
    await untilServing();
    const client = await expectReset(talk);
    await expectWork(client, talk.sessionId);
    expect([world.daemon.url, world.daemon.pid]).toEqual([url, pid]);
    expect(world.daemon.sessionProcesses(talk.sessionId)).toEqual(children);
    for (const { frames } of [witness, client]) expect(JSON.stringify(frames)).not.toContain(altered(talk.said));
  });

  test('D1, D3: what the child said last is altered: it is read again from its output, and is there once', async () => {
    const talk = await haveTalk();
    const { sessionId, said } = talk;
    await world.daemon.restart('SIGTERM');
    flipIn(DATABASE, BEFORE_RESULT, said);
    const witness = await world.connect({ deviceId: 'reader' });
    witness.send('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch: talk.epoch, seq: 0 } } });
    expect(await witness.closed).toBe(1012);
    await untilServing();
    const client = await expectReset(talk);
    const { epoch = '' } = (await client.waitFor('welcome')).data as { epoch?: string };
    const from = client.frames.length;
    await client.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch, seq: 0 } } });
    await client.waitFor('caughtUp', from);
    // It serves while the output is read.
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === said, from);
    const events = client.frames.slice(from).filter(({ seq }) => seq !== undefined);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ type, data }) => type === 'streamComplete' && data.finalResult === said)).toHaveLength(1);
    const messages = events.filter(({ type }) => type === 'assistantMessage');
    expect(messages.map(({ data }) => data.content[0]?.text)).toEqual([said]);
    await expectWork(client, sessionId);
  });

  test.each(['with', 'without'])(
    'I1, D3: an older copy is put back, %s its mark: no prompt runs again',
    async (how) => {
      const talk = await haveTalk();
      const running = await world.connect({ deviceId: talk.deviceId });
      const { sessionId } = talk;
      const gate = `gate-${talks}`;
      await running.request('streamSend', { sessionId, prompt: scenario({ gate, text: 'Waited.' }) });
      const mark = `only once ${talks}`;
      const later = await running.request('streamSend', { sessionId, prompt: `${mark} ${scenario({ text: 'Ran.' })}` });
      await world.api.reached(gate);
      await world.daemon.kill('SIGKILL');
      const older = readBytes(world.daemon.home);
      await world.daemon.start();
      const again = await world.connect({ deviceId: talk.deviceId });
      world.api.release(gate);
      await again.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === later.data.promptId);
      await world.daemon.kill('SIGTERM');
      restore({ ...older, mark: how === 'with' ? older.mark : undefined });
      if (how === 'with') {
        // Another file, as a copy is.
        copyFileSync(file(DATABASE), file('copy'));
        rmSync(file(DATABASE));
        copyFileSync(file('copy'), file(DATABASE));
      }
      await world.daemon.start();
      const client = await expectReset(talk);
      await expectWork(client, sessionId);
      expect(world.api.runs(mark)).toBe(1);
    },
  );

  test('H1, D3: it is deleted: another is begun, and no child of it is left in its directory', async () => {
    const talk = await haveTalk();
    await world.daemon.kill('SIGTERM');
    rmSync(file(DATABASE));
    await world.daemon.start();
    expect(world.daemon.sessionProcesses(talk.sessionId)).toEqual([]);
    const client = await world.connect({ deviceId: talk.deviceId });
    const welcome = await client.waitFor('welcome');
    expect(welcome.data).toMatchObject({ resumed: [] });
    expect(welcome.data.epoch).not.toBe(talk.epoch);
    const { data } = await client.request('streamStart', { prompt: scenario(), workingDirectory: talk.directory });
    expect(data.sessionId).not.toBe(talk.sessionId);
    await expectWork(client, data.sessionId);
  });

  test('D3: its mark is deleted: a new epoch with all that was in the old one', async () => {
    const talk = await haveTalk();
    const before = await historyOf(await world.connect({ deviceId: 'reader' }), talk.sessionId);
    await world.daemon.kill('SIGTERM');
    rmSync(file(MARK));
    await world.daemon.start();
    const client = await expectReset(talk);
    expect(await historyOf(client, talk.sessionId)).toEqual(before);
    await expectWork(client, talk.sessionId);
  });

  test('I1: the text of a prompt that waits is altered: it is not run, and what is beside it is', async () => {
    const talk = await haveTalk();
    const { sessionId, deviceId } = talk;
    const running = await world.connect({ deviceId });
    const gate = `gate-altered`;
    const first = await running.request('streamSend', { sessionId, prompt: scenario({ gate, text: 'Waited.' }) });
    const [doomed, fine] = ['remove all', 'keep all'] as const;
    for (const text of [doomed, fine]) {
      await running.request('streamSend', { sessionId, prompt: `${text} ${scenario({ text: 'Ran.' })}` });
    }
    await world.api.reached(gate);
    await world.daemon.kill('SIGTERM');
    flipIn(DATABASE, '', doomed);
    await world.daemon.start();
    const client = await expectReset(talk);
    world.api.release(gate);
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === first.data.promptId);
    await expectWork(client, sessionId);
    expect([world.api.runs('move all'), world.api.runs(fine)]).toEqual([0, 1]);
  });

  test('a journal that is damaged again and again ends the daemon, with a word of why; the next one mends it', async () => {
    const { sessionId, deviceId, epoch, said } = await haveTalk();
    const texts = [said, 'Second of four.', 'Third of four.', 'Fourth of four.'];
    const speaker = await world.connect({ deviceId });
    for (const text of texts.slice(1)) {
      await speaker.request('streamSend', { sessionId, prompt: scenario({ text }) });
      await speaker.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === text);
    }
    await world.daemon.restart('SIGTERM');
    for (const [index, text] of texts.entries()) {
      flipIn(DATABASE, BEFORE_SAID, text);
      const reader = await world.connect({ deviceId: 'reader' });
      reader.send('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch, seq: 0 } } });
      expect(await reader.closed).toBe(1012);
      if (index < 3) await untilServing();
    }
    await waitUntil('it ends', () => world.daemon.stderr().includes('damaged repeatedly'));
    expect(await world.daemon.kill('SIGTERM')).toBe(1);
    await world.daemon.start();
    const client = await world.connect();
    const { data } = await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    await expectWork(client, data.sessionId);
  }, 60_000);
});
