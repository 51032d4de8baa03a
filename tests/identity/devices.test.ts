/** Pairing, logging in, renewing and revoking, against the real daemon. */
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { DeviceView, GrantView, MeView } from '../../protocol/auth.js';
import { CHEAP_PASSWORDS } from '../support/cheap-passwords.js';
import { TOKEN } from '../support/daemon.js';
import {
  addUser,
  askLocally,
  askOver,
  bearerOf,
  PASSWORD,
  pairDevice,
  upgradeStatus,
} from '../support/identity-world.js';
import { waitUntil } from '../support/wait-until.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

// No session here needs a turn of the real CLI.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH, ...CHEAP_PASSWORDS } });

const over = <T>(method: string, path: string, options?: Parameters<typeof askOver>[3]) =>
  askOver<T>(world.daemon, method, path, options);
const pair = (options?: Parameters<typeof pairDevice>[1]) => pairDevice(world.daemon, options);
const openCode = async (body: object = {}) =>
  (await askLocally<{ code: string }>(world.daemon, 'POST', '/local/pair', body)).code;
const redeem = (code: string) =>
  over<GrantView>('POST', '/api/auth/pair', { body: { code, deviceName: 'phone', platform: 'ios' } });
const refresh = (refreshToken: string, requestId?: string) =>
  over<GrantView>('POST', '/api/auth/refresh', { body: { refreshToken, ...(requestId && { requestId }) } });
const isIn = async (token: string) => (await over('GET', '/api/auth/me', { token })).status === 200;

describe('pairing', () => {
  test('a code gives one device a credential of its own, once', async () => {
    const code = await openCode();
    const { status, body } = await redeem(code.toLowerCase().replace('-', ' '));
    expect(status).toBe(200);
    expect(body.user).toMatchObject({ email: 'owner@localhost' });
    const me = await over<MeView>('GET', '/api/auth/me', { token: body.accessToken });
    expect(me.body).toMatchObject({ deviceId: body.deviceId, role: 'owner', user: { id: body.user.id } });
    expect(me.body.scopes).toContain('admin');
    const again = await redeem(code);
    expect(again).toMatchObject({ status: 401, body: { error: { code: 'UNAUTHORIZED' } } });
  });

  test('the link says where, with which code, and by what the daemon is known', async () => {
    const { url, code, expiresAt } = await askLocally<{ url: string; code: string; expiresAt: string }>(
      world.daemon,
      'POST',
      '/local/pair',
    );
    const link = new URL(url);
    expect(link.protocol).toBe('claude-companion:');
    expect(Object.fromEntries(link.searchParams)).toEqual({
      url: world.daemon.url,
      code,
      fp: expect.stringMatching(/^[\w-]{43}$/),
    });
    const minutes = (Date.parse(expiresAt) - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(9);
    expect(minutes).toBeLessThanOrEqual(10);
  });

  test('S1: five wrong codes void all that are open', async () => {
    const codes = [await openCode(), await openCode()];
    for (let tries = 0; tries < 4; tries += 1) expect((await redeem('AAAAA-AAAAA')).status).toBe(401);
    expect((await redeem(codes[0] ?? '')).status).toBe(200);
    expect((await redeem('AAAAA-AAAAA')).status).toBe(401);
    expect((await redeem(codes[1] ?? '')).status).toBe(401);
    expect((await redeem(await openCode())).status).toBe(200);
  });

  test.each([
    ['code', {}],
    ['deviceName', { code: 'x', platform: 'ios' }],
    ['deviceName', { code: 'x', platform: 'ios', deviceName: 'two\nlines' }],
    ['platform', { code: 'x', deviceName: 'phone', platform: '' }],
    ['deviceId', { code: 'x', deviceName: 'phone', platform: 'ios', deviceId: 'a/b' }],
  ])('O1: a wrong %s is named, and uses no code up', async (field, body) => {
    const code = await openCode();
    const wrong = await over('POST', '/api/auth/pair', { body: { ...body, ...('code' in body && { code }) } });
    expect(wrong).toMatchObject({ status: 400, body: { error: { details: { field } } } });
    expect((await redeem(code)).status).toBe(200);
  });

  test('O1: an unknown person or scope is named', async () => {
    expect(await askLocally(world.daemon, 'POST', '/local/pair', { user: 'nobody@example.org' })).toMatchObject({
      error: { code: 'NOT_FOUND', details: { field: 'email' } },
    });
    expect(await askLocally(world.daemon, 'POST', '/local/pair', { scopes: ['root'] })).toMatchObject({
      error: { code: 'INVALID_REQUEST', details: { field: 'scopes.0' } },
    });
  });

  test('a device that is paired again under its name keeps its place, and its old credential is void', async () => {
    const first = await pair();
    const again = await pair({ deviceId: first.deviceId });
    expect(again.deviceId).toBe(first.deviceId);
    expect(await isIn(first.accessToken)).toBe(false);
    expect((await refresh(first.refreshToken)).status).toBe(401);
    expect(await isIn(again.accessToken)).toBe(true);
  });
});

describe('a refresh token', () => {
  test('is good for one use, and gives another', async () => {
    const { refreshToken, deviceId } = await pair();
    const next = await refresh(refreshToken);
    expect(next.body).toMatchObject({ deviceId });
    expect(await isIn(next.body.accessToken)).toBe(true);
    expect((await refresh(next.body.refreshToken)).status).toBe(200);
  });

  test('S1: that is used again puts its device out, wherever it is connected', async () => {
    const { refreshToken, accessToken, deviceId } = await pair({ deviceName: 'lost phone' });
    const client = await connect(world.daemon, bearerOf(accessToken));
    const next = await refresh(refreshToken);
    expect((await refresh(refreshToken)).status).toBe(401);
    expect(await client.closed).toBe(1008);
    expect((await refresh(next.body.refreshToken)).status).toBe(401);
    expect(await isIn(next.body.accessToken)).toBe(false);
    const { devices } = await askLocally<{ devices: DeviceView[] }>(world.daemon, 'GET', '/local/devices');
    expect(devices.find(({ id }) => id === deviceId)).toMatchObject({
      paired: false,
      revoked: { reason: 'a refresh token was used twice' },
    });
  });

  test('whose answer was lost is taken again with the same request id, for as long as nobody used what it gave', async () => {
    const { refreshToken } = await pair();
    const first = await refresh(refreshToken, 'request-1');
    const repeated = await refresh(refreshToken, 'request-1');
    expect(repeated.body.refreshToken).toBe(first.body.refreshToken);
    const next = await refresh(repeated.body.refreshToken, 'request-2');
    expect(next.status).toBe(200);
    expect((await refresh(refreshToken, 'request-1')).status).toBe(401);
    expect(await isIn(next.body.accessToken)).toBe(false);
  });

  test('is the same after a kill of the daemon, also between the use and the repetition of it', async () => {
    const { refreshToken } = await pair();
    const first = await refresh(refreshToken, 'request-1');
    await world.daemon.restart('SIGKILL');
    expect((await refresh(refreshToken, 'request-1')).body.refreshToken).toBe(first.body.refreshToken);
    expect(await isIn(first.body.accessToken)).toBe(true);
  });

  test.each(['', 'a.1.b.c', 'x'.repeat(400)])('S1: %j is none', async (token) => {
    const { status } = await refresh(token);
    expect(status).toBe(token === '' ? 400 : 401);
  });

  test('S1: with another generation or another MAC is none, and voids nothing', async () => {
    const { refreshToken, accessToken } = await pair();
    const [family, , secret, mac] = refreshToken.split('.');
    for (const forged of [`${family}.0.${secret}.${mac}`, `${family}.1.${secret}.${'A'.repeat(43)}`]) {
      expect((await refresh(forged)).status).toBe(401);
    }
    expect(await isIn(accessToken)).toBe(true);
    expect((await refresh(refreshToken)).status).toBe(200);
  });
});

describe('logging in', () => {
  test('with e-mail address and password makes a device; a member has all scopes but admin', async () => {
    const { id } = await addUser(world.daemon, 'ann@example.org');
    const login = (password: string, email = 'Ann@Example.org') =>
      over<GrantView>('POST', '/api/auth/login', { body: { email, password } });
    const { status, body } = await login(PASSWORD);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      user: { id, email: 'ann@example.org' },
      scopes: expect.not.arrayContaining(['admin']),
    });
    const wrong = await login('wrong password');
    const nobody = await login(PASSWORD, 'nobody@example.org');
    expect([wrong.status, nobody.status]).toEqual([401, 401]);
    expect(wrong.body.error?.message).toBe(nobody.body.error?.message);
    expect((await login('', 'owner@localhost')).status).toBe(400);
    expect((await login('anything', 'owner@localhost')).status).toBe(401);
  });

  test('a person is taken away with devices and sessions, at once', async () => {
    await addUser(world.daemon, 'ben@example.org');
    const { accessToken } = await pair({ user: 'ben@example.org' });
    const client = await connect(world.daemon, bearerOf(accessToken));
    const workingDirectory = world.daemon.project('bens');
    await client.request('streamStart', { prompt: '', workingDirectory });
    expect(await askLocally(world.daemon, 'DELETE', '/local/users/ben%40example.org')).toEqual({
      success: true,
      sessions: 1,
    });
    expect(await client.closed).toBe(1008);
    expect(await isIn(accessToken)).toBe(false);
    const mine = () => over('POST', '/api/sessions', { token: TOKEN, body: { workingDirectory } });
    await waitUntil('the directory is free', async () => (await mine()).status === 201);
    expect(await askLocally(world.daemon, 'DELETE', '/local/users/owner%40localhost')).toMatchObject({
      error: { code: 'CONFLICT' },
    });
  });

  test('O1: a short password, a wrong address and one that is taken are named', async () => {
    const add = (body: object) => askLocally(world.daemon, 'POST', '/local/users', body);
    await addUser(world.daemon, 'cyd@example.org');
    for (const [field, body] of [
      ['password', { email: 'dan@example.org', password: 'short' }],
      ['email', { email: 'dan', password: PASSWORD }],
      ['email', { email: 'CYD@example.org', password: PASSWORD }],
    ] as const) {
      expect(await add(body)).toMatchObject({ error: { details: { field } } });
    }
  });
});

describe('leaving', () => {
  test('S1: a device that is revoked is out within a second, with its tickets', async () => {
    const { accessToken, deviceId } = await pair();
    const { body } = await over<{ ticket: string }>('POST', '/api/auth/ticket', { token: accessToken });
    const { body: used } = await over<{ ticket: string }>('POST', '/api/auth/ticket', { token: accessToken });
    expect(await upgradeStatus(world.daemon, `/ws?ticket=${used.ticket}`)).toBe(101);
    expect(await upgradeStatus(world.daemon, `/ws?ticket=${used.ticket}`)).toBe(401);
    const client = await connect(world.daemon, bearerOf(accessToken));
    const revoked = await over('DELETE', `/api/devices/${deviceId}`, { token: TOKEN });
    expect(revoked).toMatchObject({ status: 200, body: { success: true } });
    expect(await client.closed).toBe(1008);
    expect(await isIn(accessToken)).toBe(false);
    expect(await upgradeStatus(world.daemon, `/ws?ticket=${body.ticket}`)).toBe(401);
  });

  test('S1: a device that came in with the owner’s credential is closed as well', async () => {
    const client = await connect(world.daemon, { deviceId: 'borrowed' });
    await client.request('subscribe', { events: ['*'] });
    await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    expect((await over('DELETE', '/api/devices/borrowed', { token: TOKEN })).status).toBe(200);
    expect(await client.closed).toBe(1008);
    expect((await over('DELETE', '/api/devices/never-here', { token: TOKEN })).status).toBe(404);
  });

  test('a device may put itself out without admin, and no other one', async () => {
    const other = await pair();
    const { accessToken, deviceId } = await pair({ scopes: ['read'] });
    const remove = (id: string) => over('DELETE', `/api/devices/${id}`, { token: accessToken });
    expect(await remove(other.deviceId)).toMatchObject({ status: 403, body: { error: { code: 'PERMISSION_DENIED' } } });
    expect((await remove(deviceId)).status).toBe(200);
    expect(await isIn(accessToken)).toBe(false);
    expect(await isIn(other.accessToken)).toBe(true);
  });

  test('logging out voids what the device had; a credential without a device has nothing to leave', async () => {
    const { accessToken, refreshToken } = await pair();
    expect((await over('POST', '/api/auth/logout', { token: accessToken })).body).toEqual({ success: true });
    expect(await isIn(accessToken)).toBe(false);
    expect((await refresh(refreshToken)).status).toBe(401);
    expect((await over('POST', '/api/auth/logout', { token: TOKEN })).status).toBe(409);
  });

  test('the command revokes by name, and says when it is not clear whose', async () => {
    await addUser(world.daemon, 'eve@example.org');
    const mine = await pair({ deviceId: 'tablet' });
    const hers = await pair({ user: 'eve@example.org', deviceId: 'tablet' });
    const remove = (query = '') => askLocally(world.daemon, 'DELETE', `/local/devices/tablet${query}`);
    expect(await remove()).toMatchObject({ error: { code: 'CONFLICT' } });
    expect(await remove('?user=eve%40example.org')).toMatchObject({ success: true });
    expect(await isIn(hers.accessToken)).toBe(false);
    expect(await isIn(mine.accessToken)).toBe(true);
  });
});

describe('what comes after a revocation', () => {
  /** The head of a request; its body follows when the test says so. */
  function halfRequest(method: string, path: string, token: string, body: object) {
    const { hostname, port } = new URL(world.daemon.url);
    const text = JSON.stringify(body);
    const sent = httpRequest({
      hostname,
      port,
      method,
      path,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': text.length },
    });
    sent.write(text.slice(0, 1));
    const status = new Promise<number>((resolve, reject) => {
      sent.once('response', (response) => resolve(response.resume().statusCode ?? 0)).once('error', reject);
    });
    return { status, finish: () => sent.end(text.slice(1)) };
  }

  test('S1: a request whose body was still on its way does nothing any more', async () => {
    const { accessToken, deviceId } = await pair();
    const { body: session } = await over<{ sessionId: string }>('POST', '/api/sessions', {
      token: TOKEN,
      body: { workingDirectory: world.daemon.project('half') },
    });
    const file = `/api/sessions/${session.sessionId}/files/evil.txt`;
    const halves = [
      halfRequest('POST', '/api/auth/ticket', accessToken, {}),
      halfRequest('PUT', file, accessToken, { content: 'evil' }),
      halfRequest('POST', '/api/push-notifications/register', accessToken, {
        deviceId,
        platform: 'ios',
        token: 'ab'.repeat(32),
      }),
    ];
    await askLocally(world.daemon, 'DELETE', `/local/devices/${deviceId}`);
    for (const half of halves) half.finish();
    expect(await Promise.all(halves.map(({ status }) => status))).toEqual([401, 401, 401]);
    expect((await over('GET', file, { token: TOKEN })).status).toBe(404);
    const { devices } = await askLocally<{ devices: DeviceView[] }>(world.daemon, 'GET', '/local/devices');
    expect(devices.find(({ id }) => id === deviceId)?.push).toBeUndefined();
  });

  test('S1: a ticket of a token that another has replaced opens nothing', async () => {
    const { token } = await askLocally<{ token: string }>(world.daemon, 'POST', '/local/token', {});
    const { body } = await over<{ ticket: string }>('POST', '/api/auth/ticket', { token });
    await askLocally(world.daemon, 'POST', '/local/token', {});
    expect(await upgradeStatus(world.daemon, `/ws?ticket=${body.ticket}`)).toBe(401);
  });

  test('S1: a device speaks of pushes for itself alone', async () => {
    const { accessToken: token, deviceId } = await pair({ scopes: ['read'] });
    const register = (id: string) =>
      over('POST', '/api/push-notifications/register', {
        token,
        body: { deviceId: id, platform: 'ios', token: 'cd'.repeat(32) },
      });
    expect((await register('the-owners-phone')).status).toBe(403);
    expect((await register(deviceId)).status).toBe(200);
  });

  test('devices that were put out make room for others', async () => {
    await addUser(world.daemon, 'kim@example.org');
    const first = await pair({ user: 'kim@example.org' });
    await askLocally(world.daemon, 'DELETE', `/local/devices/${first.deviceId}`);
    for (let count = 0; count < 100; count += 1) await pair({ user: 'kim@example.org' });
    await expect(pair({ user: 'kim@example.org' })).rejects.toThrow('at most 100 devices');
    const { devices } = await askLocally<{ devices: DeviceView[] }>(world.daemon, 'GET', '/local/devices');
    expect(devices.some(({ id }) => id === first.deviceId)).toBe(false);
  });
});
