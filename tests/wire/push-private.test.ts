/** S1: a device with `read` alone does not make the daemon speak to the machine or the network around it. */
import { createECDH, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deliveriesSchema } from '../../protocol/push.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

const curve = createECDH('prime256v1');
const keys = { p256dh: curve.generateKeys().toString('base64url'), auth: randomBytes(16).toString('base64url') };
const subscriptionAt = (host: string) => JSON.stringify({ endpoint: `https://${host}/push/secret`, keys });

/** Counts connections, and takes them. */
let port = 0;
let connections = 0;
const server = createServer((socket) => {
  connections += 1;
  socket.destroy();
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const register = async (deviceId: string, token: string) => {
  const response = await world.daemon.fetch('/api/push-notifications/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ deviceId, platform: 'web', token }),
  });
  return { status: response.status, body: await response.json() };
};

const PRIVATE = [
  '127.0.0.1',
  '127.1',
  '127.0.0.1.',
  '0x7f.0.0.1',
  '2130706433',
  '017700000001',
  '0',
  '１２７.0.0.1',
  '10.1.2.3',
  '169.254.169.254',
  '192.168.0.1',
  '100.64.0.1',
  '224.0.0.1',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[0:0:0:0:0:ffff:7f00:1]',
  '[fe80::1]',
  '[fd00::1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  'localhost',
  'LOCALHOST.',
  'push.localhost',
];

describe('a subscription of a host that is not public', () => {
  test('S1: is refused in every spelling, by REST and by frame, and nothing is connected to', async () => {
    const client = await world.connect({ deviceId: 'tab' });
    for (const host of PRIVATE) {
      const token = subscriptionAt(`${host}:${port}`);
      const { status, body } = await register('tab', token);
      const details = { field: 'token', rule: expect.stringContaining('public address') };
      expect({ host, status, body }).toMatchObject({
        host,
        status: 400,
        body: { error: { code: 'INVALID_REQUEST', details } },
      });
      const framed = await client.request('registerDevice', { platform: 'web', token });
      expect({ host, framed }).toMatchObject({
        host,
        framed: { type: 'error', data: { code: 'INVALID_REQUEST', details } },
      });
    }
    const registry = readFileSync(join(world.daemon.home, 'registry.json'), 'utf8');
    expect(registry).not.toContain('/push/secret');
    expect(connections).toBe(0);
  });

  test('one whose name does not resolve is accepted', async () => {
    expect((await register('tab', subscriptionAt('push.unknown.invalid'))).status).toBe(200);
  });

  test('S1: that is on record from before is not connected to, and its device does not learn why', async () => {
    expect((await register('old', subscriptionAt('old.unknown.invalid'))).status).toBe(200);
    const file = join(world.daemon.home, 'registry.json');
    await world.daemon.kill('SIGTERM');
    const registry = JSON.parse(readFileSync(file, 'utf8')) as {
      devices: { deviceId: string; push: { token: string } }[];
    };
    for (const device of registry.devices)
      if (device.deviceId === 'old') device.push.token = subscriptionAt(`127.0.0.1:${port}`);
    writeFileSync(file, JSON.stringify(registry));
    await world.daemon.start();
    const reasonOf = async (deviceId: string) => {
      await world.daemon.fetch('/api/push-notifications/test', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ deviceId }),
      });
      let reason: string | undefined;
      await waitUntil('it was tried', async () => {
        const response = await world.daemon.fetch('/api/push-notifications/deliveries');
        const { deliveries } = deliveriesSchema.parse(await response.json());
        reason = deliveries.find((one) => one.deviceId === deviceId && one.attempts > 0)?.reason;
        return reason !== undefined;
      });
      return reason;
    };
    const reasons = [await reasonOf('old'), await reasonOf('tab')];
    expect(reasons).toEqual(Array(2).fill('the push service cannot be reached'));
    expect(connections).toBe(0);
    const log = readFileSync(join(world.daemon.home, 'logs', 'companion.log'), 'utf8');
    expect(log).toContain('PRIVATE_ADDRESS');
  });
});

describe('a webhook at an address that is not public', () => {
  const ask = async (method: string, path: string, body?: object) => {
    const response = await world.daemon.fetch(path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const refused = {
    status: 400,
    body: {
      error: {
        code: 'INVALID_REQUEST',
        details: { field: 'url', rule: expect.stringContaining('https address at a public address') },
      },
    },
  };

  test('S1: is refused in every spelling, when it is made and when it is changed, and nothing is connected to', async () => {
    const made = await ask('POST', '/api/webhooks', { url: 'https://hook.unknown.invalid/' });
    expect(made.status).toBe(201);
    const path = `/api/webhooks/${String(made.body.webhookId)}`;
    const urls = [...PRIVATE.map((host) => `https://${host}:${port}/`), 'http://example.org/'];
    for (const url of urls) {
      expect({ url, ...(await ask('POST', '/api/webhooks', { url })) }).toMatchObject({ url, ...refused });
      expect({ url, ...(await ask('PATCH', path, { url })) }).toMatchObject({ url, ...refused });
    }
    expect((await ask('GET', '/api/webhooks')).body).toMatchObject({
      total: 1,
      webhooks: [{ url: 'https://hook.unknown.invalid/' }],
    });
    expect(connections).toBe(0);
  });

  test('P2: that is on record from when it was allowed is not connected to', async () => {
    const allow = async (isAllowed: boolean) => {
      Object.assign(world.daemon.environment, { PUSH_ALLOW_PRIVATE: String(isAllowed) });
      await world.daemon.restart('SIGTERM');
    };
    await allow(true);
    const made = await ask('POST', '/api/webhooks', { url: `http://127.0.0.1:${port}/` });
    expect(made.status).toBe(201);
    await allow(false);
    // What the devices of the tests before are still owed was sent meanwhile.
    const before = connections;
    const path = `/api/webhooks/${String(made.body.webhookId)}`;
    expect((await ask('POST', `${path}/test`)).status).toBe(202);
    let deliveries: unknown;
    await waitUntil('it was tried', async () => {
      ({ deliveries } = (await ask('GET', `${path}/deliveries`)).body);
      return !JSON.stringify(deliveries).includes('owed');
    });
    expect(deliveries).toMatchObject([{ state: 'failed', lastAttempt: { failure: 'private_address' } }]);
    expect(connections).toBe(before);
  });
});
