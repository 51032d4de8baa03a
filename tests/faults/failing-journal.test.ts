/** The journal made to fail at its statements and its syncs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { scenario } from '../support/scripted-api.js';
import type { Frame } from '../support/wire-client.js';
import { endOf, openSession, useFailingWorld } from './support/failing-world.js';

const { world, faults } = useFailingWorld();

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

describe('the journal cannot be written', () => {
  test.each(['SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'SQLITE_IOERR_FSYNC', 'SQLITE_READONLY'])(
    'D1, I1: with %s a prompt is refused and has not happened; reading goes on; sent again later it runs once',
    async (code) => {
      const client = await world.connect();
      const { pid } = world.daemon;
      const sessionId = await openSession(world, client);
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

  test('D1: a history that was never read is read whole, and again when there is room', async () => {
    const client = await world.connect();
    const sessionId = await openSession(world, client);
    const from = client.frames.length;
    faults.set({ call: 'sqlite', match: 'COMMIT', code: 'SQLITE_FULL' });
    const full = await client.request('getMessageHistory', { sessionId });
    expect(full).toMatchObject({ type: 'getMessageHistory' });
    const said = client.events(sessionId).filter(({ type }) => type === 'humanMessage' || type === 'assistantMessage');
    const ids = [...new Set(said.map(({ data }) => data.messageId))];
    const messages = full.data.messages as { id: string }[];
    expect(messages.map(({ id }) => id)).toEqual(ids);
    expect(ids.length).toBeGreaterThan(0);
    faults.set();
    expect((await client.request('getMessageHistory', { sessionId })).data.messages).toEqual(messages);
    expect(client.frames.slice(from).filter(({ type }) => type === 'error')).toEqual([]);
  });

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
    const sessionId = await openSession(world, client);
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
      const sessionId = await openSession(world, client);
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
    const sessionId = await openSession(world, client);
    const head = client.events(sessionId).at(-1)?.seq ?? 0;
    faults.set({ call: 'sqlite', match: 'INSERT INTO', code: 'SQLITE_FULL' });
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

  test('a mode that cannot be recorded is put back in the child: it goes on asking', async () => {
    const client = await world.connect();
    const workingDirectory = world.daemon.project();
    const { sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory })).data;
    await client.waitFor(({ type, data }) => type === 'sessionStatus' && data.status === 'idle');
    faults.set({ call: 'sqlite', match: 'INSERT INTO sessions', code: 'SQLITE_FULL' });
    const refused = await client.request('setPermissionMode', { sessionId, mode: 'acceptEdits' });
    expect(refused).toMatchObject({ type: 'error', data: { code: 'STORAGE_FULL' } });
    faults.set();
    const tools = [{ name: 'Write', input: { file_path: join(workingDirectory, 'a'), content: 'x' } }];
    await client.request('streamSend', { sessionId, prompt: scenario({ tools }, { text: 'Asked.' }) });
    const asked = await client.waitFor(({ type }) => type === 'permissionRequest' || type === 'streamComplete');
    expect(asked.type).toBe('permissionRequest');
    const session = await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json();
    expect(session).toMatchObject({ permissionMode: 'default' });
    const { permissionId } = asked.data;
    await client.request('permission', { sessionId, permissionId, response: 'n', remember: false });
    await client.waitFor('streamComplete');
  });

  test('H2: a daemon whose journal can be neither synced nor written ends when it is told to, and the next goes on', async () => {
    const client = await world.connect({ deviceId: 'stopping' });
    const sessionId = await openSession(world, client);
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
