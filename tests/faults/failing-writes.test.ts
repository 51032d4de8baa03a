/** Each place where the daemon writes, made to fail with ENOSPC and EIO and their kin in SQLite; the CLI is the real one. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import type { Frame, WireClient } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';
import { createDiskFaults, type DiskFault } from './support/disk-faults.js';

const faults = createDiskFaults();
const world = useWorld({ environment: faults.environment });

afterEach(() => faults.set());
afterAll(() => faults.close());

const endOf = (promptId: string) => (frame: Frame) =>
  frame.type === 'streamComplete' && frame.data.promptId === promptId;

async function openSession(client: WireClient): Promise<string> {
  const started = await client.request('streamStart', {
    prompt: scenario({ text: 'It is open.' }),
    workingDirectory: world.daemon.project(),
  });
  await client.waitFor(endOf(started.data.promptId));
  return started.data.sessionId;
}

/** Another device gets all that is in the journal, as if nothing were wrong. */
async function expectReplay(sessionId: string, events: Frame[]): Promise<void> {
  const reader = await world.connect();
  await reader.request('subscribe', {
    events: ['*'],
    sessionIds: [],
    cursors: { [sessionId]: { epoch: epochOf(events), seq: 0 } },
  });
  await reader.waitFor((frame) => frame.type === 'caughtUp' && frame.data.sessionId === sessionId);
  expect(reader.events(sessionId).map(({ seq, type }) => [seq, type])).toEqual(
    events.map(({ seq, type }) => [seq, type]),
  );
}

const epochOf = (events: Frame[]): string => String(events[0]?.epoch);

const logged = (): string => readFileSync(join(world.daemon.home, 'logs/companion.log'), 'utf8');

const full = (call: DiskFault['call'], match: string): DiskFault => ({ call, match, code: 'ENOSPC' });
const broken = (call: DiskFault['call'], match: string): DiskFault => ({ call, match, code: 'EIO' });

describe('the journal cannot be written', () => {
  test.each(['SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'SQLITE_IOERR_FSYNC', 'SQLITE_READONLY'])(
    'D1, I1: with %s a prompt is refused and has not happened; reading goes on; sent again later it runs once',
    async (code) => {
      const client = await world.connect();
      const { pid } = world.daemon;
      const sessionId = await openSession(client);
      const before = client.events(sessionId);
      const prompt = scenario({ text: 'Now there is room.' });
      faults.set({ call: 'sqlite', match: 'INSERT INTO sessions', code });
      const refused = await client.request('streamSend', { sessionId, prompt }, `full-${code}`);
      expect(refused).toMatchObject({ type: 'error', data: { code: 'STORAGE_FULL' } });
      expect(refused.data.message).toContain(code);
      await expectReplay(sessionId, before);
      const history = await client.request('getMessageHistory', { sessionId });
      expect(history.type).toBe('getMessageHistory');
      expect(client.events(sessionId)).toEqual(before);
      faults.set();
      const accepted = await client.request('streamSend', { sessionId, prompt }, `full-${code}-again`);
      expect(accepted.data.duplicate).toBe(false);
      const end = await client.waitFor(endOf(accepted.data.promptId));
      expect(end.data).toMatchObject({ subtype: 'success', isError: false });
      expect(world.api.runs(prompt)).toBe(1);
      expect(world.daemon.pid).toBe(pid);
    },
  );

  test('D1: a new session that cannot be recorded is refused, and is there when it is asked for again', async () => {
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    const prompt = scenario({ text: 'Opened.' });
    faults.set({ call: 'sqlite', match: 'INSERT INTO sessions', code: 'SQLITE_FULL' });
    const refused = await client.request('streamStart', { prompt, workingDirectory });
    expect(refused).toMatchObject({ type: 'error', data: { code: 'STORAGE_FULL' } });
    faults.set();
    const started = await client.request('streamStart', { prompt, workingDirectory });
    const end = await client.waitFor(endOf(started.data.promptId));
    expect(end.data.subtype).toBe('success');
    expect(world.api.runs(prompt)).toBe(1);
  });

  test('D1, D4: what Claude says meanwhile is held back, and is told once, whole and in order when there is room', async () => {
    const client = await world.connect();
    const sessionId = await openSession(client);
    const text = 'Said while the disk was full, and kept by the file of the child.';
    const prompt = scenario({ text, chunk: 4, gateAfter: { deltas: 2, gate: 'held' } });
    const accepted = await client.request('streamSend', { sessionId, prompt });
    await world.api.reached('held');
    faults.set({ call: 'sqlite', match: 'INSERT INTO', code: 'SQLITE_FULL' });
    const from = client.frames.length;
    world.api.release('held');
    await client.request('streamSend', { sessionId, prompt: 'Refused meanwhile.' });
    expect(client.frames.slice(from).filter(({ seq }) => seq !== undefined)).toEqual([]);
    faults.set();
    const end = await client.waitFor(endOf(accepted.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: text });
    const events = client.events(sessionId);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ data }) => data.content?.[0]?.text === text)).toHaveLength(1);
    expect(world.api.runs(prompt)).toBe(1);
  });

  test.each(['EIO', 'ENOSPC'])(
    'I1: with %s at the sync of the log no prompt is acknowledged, not even a repeated one, until it succeeds',
    async (code) => {
      const client = await world.connect();
      const sessionId = await openSession(client);
      const prompt = scenario({ text: 'Synced in the end.' });
      faults.set({ call: 'fdatasync', match: 'journal.db-wal', code });
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const refused = await client.request(
          'streamSend',
          { sessionId, prompt },
          `sync-${code}-${attempt > 0 ? 1 : 0}`,
        );
        expect(refused).toMatchObject({ type: 'error', data: { code: 'STORAGE_FULL' } });
        expect(refused.data.message).toContain(code);
      }
      faults.set();
      const from = client.frames.length;
      const id = client.send('streamSend', { sessionId, prompt }, `sync-${code}-1`);
      const accepted = await client.waitFor(({ requestId }) => requestId === id, from);
      expect(accepted).toMatchObject({ type: 'promptAccepted', data: { duplicate: true } });
      await client.waitFor(endOf(accepted.data.promptId));
      // Two request ids, two prompts; each once.
      expect(world.api.runs(prompt)).toBe(2);
    },
  );

  test('D2: an ack that cannot be written closes nothing, and is written when there is room', async () => {
    const client = await world.connect({ deviceId: 'acknowledging' });
    const sessionId = await openSession(client);
    const head = client.events(sessionId).at(-1)?.seq ?? 0;
    faults.set({ call: 'sqlite', match: 'INSERT INTO cursors', code: 'SQLITE_FULL' });
    client.send('ack', { sessionId, seq: head });
    expect((await client.request('ping', {})).type).toBe('pong');
    faults.set();
    const again = await world.connect({ deviceId: 'acknowledging' });
    const { data } = await again.waitFor('welcome');
    expect(data.resumed).toContainEqual(expect.objectContaining({ sessionId, resume: 'replay', from: head }));
  });

  test('I2: an answer to a permission request that cannot be written is refused, and decides when there is room', async () => {
    const client = await world.connect();
    const prompt = scenario({ tools: [{ name: 'Bash', input: { command: 'echo once >> ran' } }] }, { text: 'Ran.' });
    const workingDirectory = world.daemon.project();
    const started = await client.request('streamStart', { prompt, workingDirectory });
    const { sessionId, promptId } = started.data;
    await client.waitFor('permissionRequest');
    faults.set({ call: 'sqlite', match: 'INSERT INTO permissions', code: 'SQLITE_FULL' });
    const refused = await client.request('permission', { sessionId, response: 'n', remember: false });
    expect(refused).toMatchObject({ type: 'error', data: { code: 'STORAGE_FULL' } });
    faults.set();
    const accepted = await client.request('permission', { sessionId, response: 'y', remember: false });
    expect(accepted).toMatchObject({ type: 'permissionAccepted', data: { decision: 'allow' } });
    await client.waitFor(endOf(promptId));
    const resolved = client.events(sessionId).filter(({ type }) => type === 'permissionResolved');
    expect(resolved.map(({ data }) => data.decision)).toEqual(['allow']);
    expect(readFileSync(join(workingDirectory, 'ran'), 'utf8')).toBe('once\n');
  });

  test('H2: a daemon whose journal can be neither synced nor written ends when it is told to, and the next goes on', async () => {
    const client = await world.connect({ deviceId: 'stopping' });
    const sessionId = await openSession(client);
    faults.set(
      { call: 'fdatasync', match: 'journal.db-wal', code: 'EIO' },
      { call: 'sqlite', match: '', code: 'SQLITE_IOERR_WRITE' },
    );
    expect(await world.daemon.kill('SIGTERM')).toBe(0);
    faults.set();
    await world.daemon.start();
    const again = await world.connect({ deviceId: 'stopping' });
    const prompt = scenario({ text: 'The next daemon.' });
    const accepted = await again.request('streamSend', { sessionId, prompt });
    expect(accepted.type).toBe('promptAccepted');
    await again.waitFor(endOf(accepted.data.promptId));
    expect(world.api.runs(prompt)).toBe(1);
  });

  test('O1: a subscription that cannot be written is refused', async () => {
    const client = await world.connect();
    faults.set({ call: 'sqlite', match: 'INSERT INTO subscriptions', code: 'SQLITE_IOERR_WRITE' });
    const refused = await client.request('subscribe', { events: ['*'] });
    expect(refused).toMatchObject({ type: 'error', data: { code: 'STORAGE_FULL' } });
    faults.set();
    expect((await client.request('subscribe', { events: ['*'] })).type).toBe('subscribed');
  });
});

describe('a file of the daemon cannot be written', () => {
  test.each([
    ['the new registry', full('writeFile', 'registry.json')],
    ['the new registry', broken('writeFile', 'registry.json')],
    ['its name', full('rename', 'registry.json')],
  ])('D1: %s: a device is refused, nothing of it is kept, and it is taken when there is room', async (_, fault) => {
    const client = await world.connect();
    const path = join(world.daemon.home, 'registry.json');
    const before = readFileSync(path, 'utf8');
    const token = `token-${fault.call}-${fault.code}`;
    faults.set(fault);
    const refused = await client.request('registerDevice', { token, platform: 'web' });
    expect(refused).toMatchObject({ type: 'error', data: { code: 'STORAGE_FULL' } });
    expect(refused.data.message).toContain(fault.code);
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(readdirSync(world.daemon.home).filter((name) => name.endsWith('.new'))).toEqual([]);
    faults.set();
    const other = await world.connect();
    await other.request('registerDevice', { token: 'of another device', platform: 'web' });
    expect(readFileSync(path, 'utf8')).not.toContain(token);
    expect((await client.request('registerDevice', { token, platform: 'web' })).type).toBe('deviceRegistered');
    expect(readFileSync(path, 'utf8')).toContain(token);
  });

  test('devices that register at the same time are all kept', async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => world.connect()));
    const answers = await Promise.all(
      clients.map((client, index) => client.request('registerDevice', { token: `both-${index}`, platform: 'web' })),
    );
    expect(answers.map(({ type }) => type)).toEqual(clients.map(() => 'deviceRegistered'));
    const registry = readFileSync(join(world.daemon.home, 'registry.json'), 'utf8');
    for (const index of clients.keys()) expect(registry).toContain(`both-${index}`);
  });

  test.each([
    ['its folder', full('mkdir', '/run/')],
    ['its output file', full('open', 'stdout.jsonl')],
    ['its error file', broken('open', 'stderr.log')],
    ['its record', full('writeFile', 'process.json')],
    ['the name of its record', broken('rename', 'process.json')],
    ['anything', full('writeFile', '/room')],
    ['its place in the journal', { call: 'sqlite', match: 'INSERT INTO sessions', code: 'SQLITE_FULL' } as const],
  ])('I1, H1: a child for which %s cannot be written is waited for, and runs the prompt once', async (_, fault) => {
    const client = await world.connect();
    const sessionId = await openSession(client);
    await client.request('streamClose', { sessionId, reason: 'for a new child' });
    await world.daemon.until(() => world.daemon.sessionProcesses(sessionId).length === 0);
    const { workingDirectory } = await opened(client, sessionId);
    const prompt = scenario({ text: 'There is room for a child.' });
    // The journal has to take the prompt first.
    if (fault.call !== 'sqlite') faults.set(fault);
    const started = await client.request('streamStart', { prompt, workingDirectory });
    if (fault.call === 'sqlite') faults.set(fault);
    expect(started.type).toBe('streamStarted');
    await client.waitFor(({ type, data }) => type === 'progress' && data.stage === 'storage_full');
    expect(client.events(sessionId).filter(endOf(started.data.promptId))).toEqual([]);
    faults.set();
    const end = await client.waitFor(endOf(started.data.promptId));
    expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'There is room for a child.' });
    expect(world.api.runs(prompt)).toBe(1);
    await world.daemon.until(() => world.daemon.sessionProcesses(sessionId).length === 1);
  });

  test.each([full('writeFile', 'stdin.writing'), broken('writeFile', 'stdin.writing'), broken('rm', 'stdin.writing')])(
    'I1: a long prompt is given to the child although it cannot be marked: $call $code',
    async (fault) => {
      const client = await world.connect();
      const sessionId = await openSession(client);
      const prompt = `${scenario({ text: 'Given.' })}${' '.repeat(200_000)}`;
      faults.set(fault);
      const accepted = await client.request('streamSend', { sessionId, prompt });
      const end = await client.waitFor(endOf(accepted.data.promptId));
      expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'Given.' });
    },
  );

  test.each(['ENOSPC', 'EIO'])(
    'the log fails with %s: nothing else does, and it goes on with whole lines',
    async (code) => {
      const client = await world.connect();
      faults.set({ call: 'append', match: 'companion.log', code });
      for (let count = 0; count < 50; count += 1) await client.request('ping', {});
      const lost = await client.request('getMessageHistory', { sessionId: 'nobody' }, `lost-${code}`);
      expect(lost.type).toBe('error');
      faults.set();
      await client.request('getMessageHistory', { sessionId: 'nobody' }, `found-${code}`);
      await world.daemon.until(() => logged().includes(`found-${code}`));
      for (const line of logged().split('\n')) if (line !== '') expect(() => JSON.parse(line)).not.toThrow();
    },
  );

  test('the folder of a single question: it is refused, and answered when there is room', async () => {
    const client = await world.connect();
    faults.set(full('mkdir', '/ask/'));
    const refused = await client.request('ask', { prompt: 'Why?' });
    expect(refused).toMatchObject({ type: 'error', data: { code: 'STORAGE_FULL' } });
    faults.set();
    const answered = await client.request('ask', { prompt: scenario({ text: 'Therefore.' }) });
    expect(answered).toMatchObject({ type: 'askResponse', data: { success: true } });
  });
});

describe('the output of a child that works cannot be kept', () => {
  test.each(['ENOSPC', 'EIO', 'EDQUOT'])(
    'I1: with %s its turn fails with storage_full and is not repeated; the session goes on in the same conversation',
    async (code) => {
      const client = await world.connect();
      const sessionId = await openSession(client);
      const gate = `never-${code}`;
      const prompt = scenario({ text: 'Nobody will read this.', gate });
      const accepted = await client.request('streamSend', { sessionId, prompt });
      await world.api.reached(gate);
      faults.set({ call: 'writeFile', match: '/room', code });
      const end = await client.waitFor(endOf(accepted.data.promptId));
      expect(end.data).toMatchObject({ subtype: 'storage_full', isError: true });
      const said = client.events(sessionId).find(({ type }) => type === 'error');
      expect(said?.data.code).toBe('STORAGE_FULL');
      faults.set();
      world.api.release(gate);
      const next = scenario({ text: 'On we go.' });
      const following = await client.request('streamSend', { sessionId, prompt: next });
      const nextEnd = await client.waitFor(endOf(following.data.promptId));
      expect(nextEnd.data).toMatchObject({ subtype: 'success', finalResult: 'On we go.' });
      expect(world.api.runs(prompt)).toBe(1);
      expect(world.api.runs(next)).toBe(1);
      expect(conversations(client, sessionId)).toHaveLength(1);
    },
  );
});

const conversations = (client: WireClient, sessionId: string) => [
  ...new Set(
    client.events(sessionId).flatMap(({ type, data }) => (type === 'systemInit' ? [data.claudeSessionId] : [])),
  ),
];

const opened = async (client: WireClient, sessionId: string): Promise<{ workingDirectory: string }> => {
  const history = await client.request('getMessageHistory', { sessionId });
  return history.data.sessionMetadata as { workingDirectory: string };
};
