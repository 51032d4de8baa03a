/** What is written down of who did what, and what a person is told when a credential was stolen. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { askLocally, askOver, bearerOf, pairDevice } from '../support/identity-world.js';
import { usePushWorld } from '../support/push-world.js';
import { scenario } from '../support/scripted-api.js';
import { connect } from '../support/wire-client.js';

const world = usePushWorld({ TRUST_PROXY: 'true' });

type Entry = Record<string, string>;

const logFile = () => join(world.daemon.home, 'logs/audit.log');
const entries = (): Entry[] =>
  readFileSync(logFile(), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** As soon as such an entry is there. */
async function entry(wanted: Partial<Entry>): Promise<Entry> {
  const isIt = (one: Entry) => Object.entries(wanted).every(([name, value]) => one[name] === value);
  await world.daemon.until(() => entries().some(isIt));
  return entries().find(isIt) ?? {};
}

test('who paired, prompted, approved, read, wrote and revoked is on record, and from where', async () => {
  const grant = await pairDevice(world.daemon);
  const { deviceId, accessToken: token } = grant;
  const headers = { 'x-forwarded-for': '192.0.2.1' };
  const who = { deviceId, credential: 'device', address: '192.0.2.1' };
  expect(await entry({ action: 'pair', deviceId })).toMatchObject({ outcome: 'ok', address: '127.0.0.1' });

  const client = await connect(world.daemon, { headers: { ...bearerOf(token).headers, ...headers } });
  const ask = { name: 'Bash', input: { command: 'touch made.txt', description: 'Make it' } };
  const prompt = scenario({ tools: [ask] }, { text: 'Made.' });
  const started = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project('told') });
  const { sessionId } = started.data;
  expect(await entry({ action: 'prompt', digest: sha256(prompt) })).toMatchObject({ ...who, outcome: 'ok' });
  const { data } = await client.waitFor('permissionRequest');
  const { permissionId } = data;
  await client.request('permission', { sessionId: sessionId as never, response: 'y', remember: false });
  expect(await entry({ action: 'approve', sessionId })).toMatchObject(who);
  const late = { sessionId: sessionId as never, permissionId: permissionId as never, response: 'n', remember: false };
  await client.request('permission', late);
  expect(await entry({ action: 'approve', permissionId })).toMatchObject({ outcome: 'ALREADY_RESOLVED' });
  await client.waitFor('streamComplete');
  await client.request('getMessageHistory', { sessionId: sessionId as never });
  expect(await entry({ action: 'read', sessionId })).toMatchObject(who);

  const path = `/api/sessions/${sessionId}/files/note.txt`;
  const write = { token, headers, body: { content: 'a note' } };
  expect((await askOver(world.daemon, 'PUT', path, write)).status).toBe(201);
  expect(await entry({ action: 'write', path: sha256(path) })).toMatchObject({ ...who, outcome: 'ok', sessionId });
  expect((await askOver(world.daemon, 'GET', path, { token, headers })).status).toBe(200);
  expect(await entry({ action: 'read', path: sha256(path) })).toMatchObject(who);
  expect((await askOver(world.daemon, 'GET', `${path}.no`, { token, headers })).status).toBe(404);
  expect(await entry({ action: 'read', path: sha256(`${path}.no`) })).toMatchObject({ outcome: 'NOT_FOUND' });

  await askLocally(world.daemon, 'DELETE', `/local/devices/${deviceId}`);
  expect(await entry({ action: 'revoke', targetDeviceId: deviceId })).toMatchObject({
    credential: 'local',
    address: 'local',
  });
  const wrong = { code: 'AAAAA-AAAAA', deviceName: 'x', platform: 'y' };
  await askOver(world.daemon, 'POST', '/api/auth/pair', { body: wrong, headers });
  expect(await entry({ action: 'refused' })).toMatchObject({ credential: 'pairing', address: '192.0.2.1' });

  const text = readFileSync(logFile(), 'utf8');
  for (const content of ['Made.', 'touch made.txt', 'note.txt', 'a note', token]) expect(text).not.toContain(content);
  expect(statSync(logFile()).mode & 0o777).toBe(0o600);
});

test('S1: a refresh token that is used twice is told to the person’s other devices by push', async () => {
  await world.register('other-1').then((client) => client.close());
  const { refreshToken } = await pairDevice(world.daemon, { deviceName: 'lost phone' });
  const refresh = () => askOver(world.daemon, 'POST', '/api/auth/refresh', { body: { refreshToken } });
  expect((await refresh()).status).toBe(200);
  expect((await refresh()).status).toBe(401);
  await world.pushed('other-1');
  expect(world.messages('other-1')).toMatchObject([
    { title: 'Claude Companion', message: expect.stringContaining('lost phone') },
  ]);
  const [push] = await world.deliveriesWhen('other-1', ([first]) => first?.state === 'accepted');
  expect(push).toMatchObject({ kind: 'security' });
});
