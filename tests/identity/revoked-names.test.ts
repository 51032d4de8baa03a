/** S1: a device that came with the owner's token and a name is out when it is revoked, and stays out. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { DeviceView } from '../../protocol/auth.js';
import { CLOSE } from '../../protocol/error-codes.js';
import { TOKEN } from '../support/daemon.js';
import { askLocally, askOver, pairDevice, upgradeStatus } from '../support/identity-world.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

// No session here needs a turn of the real CLI.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });

const bearer = { authorization: `Bearer ${TOKEN}` };
const comesBack = (deviceId: string) => upgradeStatus(world.daemon, `/ws?deviceId=${deviceId}`, bearer);
const over = (method: string, path: string, body?: object) =>
  askOver(world.daemon, method, path, { token: TOKEN, ...(body && { body }) });
const devices = async () =>
  (await askLocally<{ devices: DeviceView[] }>(world.daemon, 'GET', '/local/devices')).devices;

/** It is known by its connection, or by its registration for pushes as well. */
const arrivals = {
  'by its connection alone': async (deviceId: string) => {
    const client = await world.connect({ deviceId });
    await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    await client.request('subscribe', { events: ['*'] });
    return client;
  },
  'with a registration': async (deviceId: string) => {
    const client = await world.connect({ deviceId });
    await client.request('registerDevice', { platform: 'ntfy', token: deviceId });
    return client;
  },
};

describe.each(Object.entries(arrivals))('a device that is known %s', (how, arrive) => {
  const name = (what: string) => `${what}-${how.replaceAll(' ', '-')}`;

  test('S1: does not come back by that token and its name, also after a restart; others do', async () => {
    const deviceId = name('tablet');
    const client = await arrive(deviceId);
    expect((await over('DELETE', `/api/devices/${deviceId}`)).status).toBe(200);
    expect(await client.closed).toBe(CLOSE.credentialRevoked);
    expect(await comesBack(deviceId)).toBe(401);
    const ticket = await over('POST', '/api/auth/ticket');
    expect(await upgradeStatus(world.daemon, `/ws?deviceId=${deviceId}&ticket=${String(ticket.body.ticket)}`)).toBe(
      401,
    );
    const registration = { deviceId, platform: 'ntfy', token: 'again' };
    expect(await over('POST', '/api/push-notifications/register', registration)).toMatchObject({ status: 409 });
    expect((await devices()).find(({ id }) => id === deviceId)).toMatchObject({ revoked: { reason: 'revoked' } });
    await world.daemon.restart('SIGTERM');
    expect(await comesBack(deviceId)).toBe(401);
    expect(await comesBack(name('another'))).toBe(101);
  });

  test('comes back when it is paired again under its id', async () => {
    const deviceId = name('laptop');
    await arrive(deviceId);
    await askLocally(world.daemon, 'DELETE', `/local/devices/${deviceId}`);
    expect(await comesBack(deviceId)).toBe(401);
    const { accessToken } = await pairDevice(world.daemon, { deviceId });
    const client = await connect(world.daemon, { headers: { authorization: `Bearer ${accessToken}` } });
    expect((await client.request('ping', {})).type).toBe('pong');
    await client.close();
    expect(await comesBack(deviceId)).toBe(101);
  });
});

test('a name that was never here cannot be revoked', async () => {
  expect((await over('DELETE', '/api/devices/never-here')).status).toBe(404);
  const answer = await askLocally(world.daemon, 'DELETE', '/local/devices/never-here');
  expect(answer).toMatchObject({ error: { code: 'NOT_FOUND' } });
});
