/** Access tokens end. The daemon's clock is set by the test, and its timers run faster. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import type { GrantView } from '../../protocol/auth.js';
import { TOKEN } from '../support/daemon.js';
import { hurry } from '../support/hurry.js';
import { askLocally, askOver, bearerOf, pairDevice, upgradeStatus } from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const MINUTE = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'companion-clock-'));
const clock = join(folder, 'offset');
const { NODE_OPTIONS, ...fast } = hurry(100);
const moved = join(import.meta.dirname, '../support/moved-clock.mjs');

const world = useWorld({
  environment: { ...fast, NODE_OPTIONS: `${NODE_OPTIONS} --import ${moved}`, CLOCK_FILE: clock },
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Sets the daemon's wall clock so far ahead of ours. */
async function setClock(ms: number): Promise<void> {
  writeFileSync(clock, String(ms));
  process.kill(world.daemon.pid, 'SIGUSR2');
  await waitUntil('the clock is set', async () => {
    const { body } = await askOver<{ timestamp: string }>(world.daemon, 'GET', '/health', { token: TOKEN });
    return Math.abs(Date.parse(body.timestamp) - Date.now() - ms) < 10_000;
  });
}

const refresh = async ({ refreshToken }: GrantView) =>
  (await askOver<GrantView>(world.daemon, 'POST', '/api/auth/refresh', { body: { refreshToken } })).body;

test('S1: a connection is asked for another token a minute before its own ends, goes on with it, and ends without', async () => {
  const grant = await pairDevice(world.daemon);
  const other = await pairDevice(world.daemon);
  const client = await connect(world.daemon, bearerOf(grant.accessToken));
  await setClock(14.5 * MINUTE);
  const notice = await client.waitFor('tokenExpiring');
  expect(notice.data).toEqual({ expiresAt: grant.expiresAt });
  expect(notice.requestId).toBeNull();
  const next = await refresh(grant);
  const foreign = await client.request('reauthenticate', { token: other.accessToken });
  expect(foreign).toMatchObject({ type: 'error', data: { code: 'UNAUTHORIZED', details: { field: 'token' } } });
  const renewed = await client.request('reauthenticate', { token: next.accessToken });
  expect(renewed).toMatchObject({ type: 'reauthenticated', data: { expiresAt: next.expiresAt } });
  await setClock(16 * MINUTE);
  expect((await askOver(world.daemon, 'GET', '/api/auth/me', { token: grant.accessToken })).status).toBe(401);
  expect((await client.request('ping', {})).type).toBe('pong');
  await setClock(31 * MINUTE);
  expect(await client.closed).toBe(1008);
  expect(client.frames.filter(({ type }) => type === 'tokenExpiring')).toHaveLength(2);
});

test('S1: a token that another token has replaced ends with its own time, and a scope that is gone with the renewal', async () => {
  await setClock(0);
  const grant = await pairDevice(world.daemon, { scopes: ['read'] });
  const client = await connect(world.daemon, bearerOf(grant.accessToken));
  const again = await pairDevice(world.daemon, { deviceId: grant.deviceId, scopes: ['prompt'] });
  expect(await client.closed).toBe(1008);
  const next = await connect(world.daemon, bearerOf(again.accessToken));
  const denied = await next.request('subscribe', { events: ['*'] });
  expect(denied).toMatchObject({ type: 'error', data: { code: 'PERMISSION_DENIED' } });
  next.terminate();
});

test('a pairing code is good for ten minutes, and a ticket for thirty seconds', async () => {
  await setClock(0);
  const { accessToken } = await pairDevice(world.daemon);
  const { code } = await askLocally<{ code: string }>(world.daemon, 'POST', '/local/pair', {});
  const { body } = await askOver<{ ticket: string }>(world.daemon, 'POST', '/api/auth/ticket', { token: accessToken });
  await setClock(31_000);
  expect(await upgradeStatus(world.daemon, `/ws?ticket=${body.ticket}`)).toBe(401);
  await setClock(11 * MINUTE);
  const pairing = { code, deviceName: 'phone', platform: 'ios' };
  expect((await askOver(world.daemon, 'POST', '/api/auth/pair', { body: pairing })).status).toBe(401);
});

test('a device that was away for three months must be paired again', async () => {
  await setClock(0);
  const grant = await pairDevice(world.daemon);
  await setClock(91 * 24 * 60 * MINUTE);
  const { status } = await askOver(world.daemon, 'POST', '/api/auth/refresh', {
    body: { refreshToken: grant.refreshToken },
  });
  expect(status).toBe(401);
});
