/** Each file that the daemon writes beside the journal, made to fail. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { countOf } from '../support/counts.js';
import { TOKEN } from '../support/daemon.js';
import { addUser, askLocally, askOver, bearerOf, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect, type Frame, type WireClient } from '../support/wire-client.js';
import type { DiskFault } from './support/disk-faults.js';
import { endOf, openSession, useFailingWorld } from './support/failing-world.js';

const { world, faults } = useFailingWorld();

const logged = (): string => readFileSync(join(world.daemon.home, 'logs/companion.log'), 'utf8');

const full = (call: DiskFault['call'], match: string): DiskFault => ({ call, match, code: 'ENOSPC' });
const broken = (call: DiskFault['call'], match: string): DiskFault => ({ call, match, code: 'EIO' });

const NO_ROOM = full('writeFile', '/room');

/** What a child needs before it can run. A fast cut takes the first, the last but one and the last. */
const NEEDS: [string, DiskFault][] = [
  ['anything', NO_ROOM],
  ['its folder', full('mkdir', '/run/')],
  ['its output file', full('open', 'stdout.jsonl')],
  ['its error file', broken('open', 'stderr.log')],
  ['the name of its record', broken('rename', 'process.json')],
  ['its record', full('writeFile', 'process.json')],
  ['its place in the journal', { call: 'sqlite', match: 'INSERT INTO sessions', code: 'SQLITE_FULL' }],
];
const needs = NEEDS.filter(
  (_, index) => index === 0 || index >= NEEDS.length - countOf({ full: NEEDS.length, fast: 2 }),
);

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
    const refused = await client.request('registerDevice', { token, platform: 'ntfy' });
    expect(refused).toMatchObject({ type: 'error', data: { code: 'STORAGE_FULL' } });
    expect(refused.data.message).toContain(fault.code);
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(readdirSync(world.daemon.home).filter((name) => name.endsWith('.new'))).toEqual([]);
    faults.set();
    const other = await world.connect();
    await other.request('registerDevice', { token: 'of-another-device', platform: 'ntfy' });
    expect(readFileSync(path, 'utf8')).not.toContain(token);
    expect((await client.request('registerDevice', { token, platform: 'ntfy' })).type).toBe('deviceRegistered');
    expect(readFileSync(path, 'utf8')).toContain(token);
  });

  test('S1: the registry: a device that is revoked is out all the same, and that is written when there is room', async () => {
    const { accessToken, refreshToken, deviceId } = await pairDevice(world.daemon);
    const thief = await pairDevice(world.daemon);
    const client = await connect(world.daemon, bearerOf(accessToken));
    await askOver(world.daemon, 'POST', '/api/auth/refresh', { body: { refreshToken: thief.refreshToken } });
    faults.set(full('writeFile', 'registry.json'));
    const revoked = await askOver(world.daemon, 'DELETE', `/api/devices/${deviceId}`, { token: TOKEN });
    expect(revoked).toMatchObject({ status: 507, body: { error: { code: 'STORAGE_FULL' } } });
    expect(await client.closed).toBe(1008);
    const reused = { body: { refreshToken: thief.refreshToken } };
    expect((await askOver(world.daemon, 'POST', '/api/auth/refresh', reused)).status).toBe(507);
    for (const token of [accessToken, thief.accessToken]) {
      expect((await askOver(world.daemon, 'GET', '/api/auth/me', { token })).status).toBe(401);
    }
    expect((await askOver(world.daemon, 'POST', '/api/auth/refresh', { body: { refreshToken } })).status).toBe(401);
    faults.set();
    const isWritten = () => {
      const { devices } = JSON.parse(readFileSync(join(world.daemon.home, 'registry.json'), 'utf8')) as {
        devices: { deviceId: string; revoked?: object }[];
      };
      const ids = [deviceId, thief.deviceId];
      return devices.filter((device) => ids.includes(device.deviceId)).every(({ revoked }) => revoked !== undefined);
    };
    await waitUntil('it is written', isWritten);
  });

  test('devices that register at the same time are all kept', async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => world.connect()));
    const answers = await Promise.all(
      clients.map((client, index) => client.request('registerDevice', { token: `both-${index}`, platform: 'ntfy' })),
    );
    expect(answers.map(({ type }) => type)).toEqual(clients.map(() => 'deviceRegistered'));
    const registry = readFileSync(join(world.daemon.home, 'registry.json'), 'utf8');
    for (const index of clients.keys()) expect(registry).toContain(`both-${index}`);
  });

  test.each(needs)(
    'I1, H1: a child for which %s cannot be written is waited for, and runs the prompt once',
    async (_, fault) => {
      const client = await world.connect();
      const sessionId = await openSession(world, client);
      await client.request('streamClose', { sessionId, reason: 'for a new child' });
      await world.daemon.until(() => world.daemon.sessionProcesses(sessionId).length === 0);
      const { workingDirectory } = await opened(client, sessionId);
      const prompt = scenario({ text: 'There is room for a child.' });
      const isFull = ({ type, data }: Frame) => type === 'progress' && data.stage === 'storage_full';
      // The journal has to take the prompt first, and the child must not be started meanwhile.
      faults.set(fault.call === 'sqlite' ? NO_ROOM : fault);
      const started = await client.request('streamStart', { prompt, workingDirectory });
      expect(started.type).toBe('streamStarted');
      await client.waitFor(isFull);
      if (fault.call === 'sqlite') {
        faults.set(fault);
        await client.waitFor(isFull, client.frames.length);
      }
      expect(client.events(sessionId).filter(endOf(started.data.promptId))).toEqual([]);
      faults.set();
      const end = await client.waitFor(endOf(started.data.promptId));
      expect(end.data).toMatchObject({ subtype: 'success', finalResult: 'There is room for a child.' });
      expect(world.api.runs(prompt)).toBe(1);
      await world.daemon.until(() => world.daemon.sessionProcesses(sessionId).length === 1);
    },
  );

  test.each([full('writeFile', 'stdin.writing'), broken('writeFile', 'stdin.writing'), broken('rm', 'stdin.writing')])(
    'I1: a long prompt is given to the child although it cannot be marked: $call $code',
    async (fault) => {
      const client = await world.connect();
      const sessionId = await openSession(world, client);
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

  test('the folder of a person who is removed: they are out all the same, and the next start removes it', async () => {
    const { id } = await addUser(world.daemon, 'ann@example.org');
    const { accessToken } = await pairDevice(world.daemon, { user: 'ann@example.org' });
    const ann = await connect(world.daemon, bearerOf(accessToken));
    await ann.request('ask', { prompt: scenario({ text: 'Yes.' }) });
    const folder = join(`${world.daemon.home}-people`, id);
    faults.set(broken('rm', folder));
    const removed = await askLocally(world.daemon, 'DELETE', '/local/users/ann%40example.org');
    expect(removed).toEqual({ success: true, sessions: 0 });
    expect(existsSync(folder)).toBe(true);
    await world.daemon.until(() => logged().includes('the folder of a removed person cannot be removed'));
    faults.set();
    await world.daemon.restart('SIGTERM');
    await waitUntil('the folder is gone', () => !existsSync(folder));
  });
});

const opened = async (client: WireClient, sessionId: string): Promise<{ workingDirectory: string }> => {
  const history = await client.request('getMessageHistory', { sessionId });
  return history.data.sessionMetadata as { workingDirectory: string };
};
