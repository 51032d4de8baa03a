/** Keys: named, scoped credentials of scripts, with limits of their own, which last until they are revoked. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Scope } from '../../protocol/access.js';
import { CLOSE } from '../../protocol/error-codes.js';
import { addedKeySchema, keysSchema } from '../../protocol/keys.js';
import { runInTerminal } from '../client/support/cli-run.js';
import { TOKEN } from '../support/daemon.js';
import { addUser, askLocally, askOver, bearerOf, pairDevice, upgradeStatus } from '../support/identity-world.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });

let made = 0;

interface Wanted {
  scopes?: Scope[];
  token?: string;
  more?: Record<string, unknown>;
}

const post = (body: Record<string, unknown>, token = TOKEN) =>
  askOver(world.daemon, 'POST', '/api/keys', { token, body });

async function newKey({ scopes = ['read', 'prompt'], token = TOKEN, more = {} }: Wanted = {}) {
  made += 1;
  const { status, body } = await post({ name: `script ${made}`, scopes, ...more }, token);
  expect(status).toBe(201);
  return addedKeySchema.parse(body);
}

const connectWith = (token: string, deviceId: string) => connect(world.daemon, { ...bearerOf(token), deviceId });
const get = (path: string, token: string) => askOver(world.daemon, 'GET', path, { token });
const statusOf = async (path: string, token: string): Promise<number> => (await get(path, token)).status;

describe('a key', () => {
  test('does what its scopes say over HTTP and WebSockets, survives the daemon, and is nowhere but with its holder', async () => {
    const { key, id, name } = await newKey();
    expect(key).toMatch(/^cck_[\w-]{43}$/);
    expect(await statusOf('/api/sessions', key)).toBe(200);
    const me = await get('/api/auth/me', key);
    expect(me.body).toMatchObject({ scopes: ['read', 'prompt'], role: 'owner' });
    const denied = await askOver(world.daemon, 'DELETE', '/api/sessions/x/remembered', { token: key });
    expect(denied).toMatchObject({
      status: 403,
      body: { error: { details: { rule: expect.stringContaining('approve') } } },
    });
    const client = await connectWith(key, 'script');
    expect((await client.request('ping', {})).type).toBe('pong');
    await world.daemon.restart('SIGKILL');
    expect(await statusOf('/api/sessions', key)).toBe(200);
    const { body } = await get('/api/keys', TOKEN);
    const shown = keysSchema.parse(body).keys.find((one) => one.id === id);
    expect(shown).toMatchObject({ name, scopes: ['read', 'prompt'], lastUsedAt: expect.any(String) });
    const stored = readFileSync(join(world.daemon.home, 'registry.json'), 'utf8');
    expect(stored).toContain(id);
    for (const text of [stored, JSON.stringify(body), world.daemon.stdout(), world.daemon.stderr()])
      expect(text).not.toContain(key.slice(4));
  });

  test('S1: stops working at once when it is revoked, and its connections end', async () => {
    const { key, id } = await newKey();
    const other = await newKey();
    const client = await connectWith(key, 'doomed');
    const stays = await connectWith(other.key, 'stays');
    const revoked = await askOver(world.daemon, 'DELETE', `/api/keys/${id}`, { token: TOKEN });
    expect(revoked).toMatchObject({ status: 200, body: { success: true, id } });
    expect(await client.closed).toBe(CLOSE.credentialRevoked);
    expect(await statusOf('/api/sessions', key)).toBe(401);
    expect(await upgradeStatus(world.daemon, '/ws', { authorization: `Bearer ${key}` })).toBe(401);
    expect((await stays.request('ping', {})).type).toBe('pong');
    const again = await askOver(world.daemon, 'DELETE', `/api/keys/${id}`, { token: TOKEN });
    expect(again).toMatchObject({ status: 404, body: { error: { details: { field: 'id' } } } });
  });

  test('can revoke itself, and no other key or device without admin', async () => {
    const one = await newKey({ scopes: ['read'] });
    const other = await newKey();
    const phone = await pairDevice(world.daemon);
    for (const path of [`/api/keys/${other.id}`, `/api/devices/${phone.deviceId}`]) {
      expect((await askOver(world.daemon, 'DELETE', path, { token: one.key })).status).toBe(403);
    }
    expect((await askOver(world.daemon, 'DELETE', `/api/keys/${one.id}`, { token: one.key })).status).toBe(200);
    expect(await statusOf('/api/sessions', one.key)).toBe(401);
    expect(await statusOf('/api/sessions', other.key)).toBe(200);
    expect(await statusOf('/api/sessions', phone.accessToken)).toBe(200);
  });

  test('takes the place of no device that has a credential of its own', async () => {
    const { key } = await newKey();
    const phone = await pairDevice(world.daemon);
    const headers = { authorization: `Bearer ${key}`, 'x-device-id': phone.deviceId };
    expect(await upgradeStatus(world.daemon, '/ws', headers)).toBe(403);
  });

  test('expires', async () => {
    const { key } = await newKey({ more: { expiresAt: new Date(Date.now() + 1500).toISOString() } });
    const client = await connectWith(key, 'brief');
    expect(await client.closed).toBe(CLOSE.credentialRevoked);
    expect(await statusOf('/api/sessions', key)).toBe(401);
  });

  test('has limits of its own, which are not those of the others', async () => {
    const { key } = await newKey({ more: { limits: { reads: 3, frames: 2, connections: 1 } } });
    const other = await newKey();
    const first = await connectWith(key, 'first');
    const headers = { authorization: `Bearer ${key}`, 'x-device-id': 'second' };
    expect(await upgradeStatus(world.daemon, '/ws', headers)).toBe(429);
    const allowed = await get('/api/sessions', key);
    expect([allowed.status, allowed.headers.get('ratelimit-limit')]).toEqual([200, '3']);
    const refused = await get('/api/sessions', key);
    expect(refused).toMatchObject({ status: 429, body: { error: { code: 'RATE_LIMITED' } } });
    expect(refused.body.error?.message).toContain('At most 3 reads of this key');
    expect(await statusOf('/api/sessions', other.key)).toBe(200);
    const answers = [];
    for (let count = 0; count < 3; count += 1) answers.push((await first.request('ping', {})).type);
    expect(answers).toEqual(['pong', 'pong', 'error']);
  });
});

describe('sessions of a key', () => {
  const open = (token: string, workingDirectory: string) =>
    askOver<{ id: string }>(world.daemon, 'POST', '/api/sessions', { token, body: { workingDirectory } });

  test('are as many as it may have open, whoever else has some; a closed one makes room', async () => {
    const { key } = await newKey({ more: { limits: { sessions: 2 } } });
    const folders = Array.from({ length: 4 }, () => world.daemon.project());
    const [mine = '', theirs = '', late = '', others = ''] = folders;
    expect((await open(TOKEN, others)).status).toBe(201);
    const at = (folder: string) => open(key, folder).then(({ status }) => status);
    // At once: each counts what the others have opened.
    const statuses = await Promise.all([mine, theirs, late].map(at));
    expect(statuses.sort((a, b) => a - b)).toEqual([201, 201, 429]);
    const { body } = await get('/api/sessions', key);
    const views = body.sessions as { id: string; workingDirectory: string }[];
    const opened = [mine, theirs, late].filter((folder) => views.some((one) => one.workingDirectory === folder));
    const refused = [mine, theirs, late].find((folder) => !opened.includes(folder)) ?? '';
    expect(opened).toHaveLength(2);
    // What is open already, also of others, is no more.
    expect(await at(others)).toBe(200);
    expect(await at(opened[0] ?? '')).toBe(200);
    const client = await connectWith(key, 'opener');
    const asked = await client.request('streamStart', { prompt: '', workingDirectory: refused });
    expect(asked).toMatchObject({ type: 'error', data: { code: 'RATE_LIMITED' } });

    const closed = views.find((one) => one.workingDirectory === opened[0])?.id;
    expect((await askOver(world.daemon, 'DELETE', `/api/sessions/${closed}`, { token: key })).status).toBe(200);
    expect(await at(refused)).toBe(201);
    // It would open it again.
    expect(await at(opened[0] ?? '')).toBe(429);
    await world.daemon.restart('SIGKILL');
    expect(await at(opened[0] ?? '')).toBe(429);
    // Opened by its person, it is no longer the key's.
    expect((await open(TOKEN, opened[0] ?? '')).status).toBe(200);
    const last = views.find((one) => one.workingDirectory === opened[1])?.id;
    await askOver(world.daemon, 'DELETE', `/api/sessions/${last}`, { token: key });
    expect(await at(world.daemon.project())).toBe(201);
  });
});

describe('what is refused', () => {
  test.each([
    ['no name', { scopes: ['read'] }, 'name'],
    ['an empty name', { name: ' ', scopes: ['read'] }, 'name'],
    ['a name of two lines', { name: 'a\nb', scopes: ['read'] }, 'name'],
    ['no scopes', { name: 'none', scopes: [] }, 'scopes'],
    ['an unknown scope', { name: 'root', scopes: ['root'] }, 'scopes.0'],
    ['a limit of nothing', { name: 'n', scopes: ['read'], limits: { reads: 0 } }, 'limits.reads'],
    ['a limit of too much', { name: 'n', scopes: ['read'], limits: { sessions: 1_000_001 } }, 'limits.sessions'],
    ['an unknown limit', { name: 'n', scopes: ['read'], limits: { turns: 1 } }, 'limits.turns'],
    ['an end in the past', { name: 'n', scopes: ['read'], expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    ['an end that is no time', { name: 'n', scopes: ['read'], expiresAt: 'tomorrow' }, 'expiresAt'],
  ])('%s', async (_, body, field) => {
    const before = (await get('/api/keys', TOKEN)).body;
    const { status, body: answer } = await post(body);
    expect({ status, field: answer.error?.details?.field }).toEqual({ status: 400, field });
    expect((await get('/api/keys', TOKEN)).body).toEqual(before);
  });

  test('a name that is taken, a scope that the caller lacks, and keys of another person', async () => {
    const { name, id } = await newKey();
    expect(await post({ name, scopes: ['read'] })).toMatchObject({
      status: 409,
      body: { error: { code: 'CONFLICT', details: { field: 'name' } } },
    });
    const admin = await newKey({ scopes: ['read', 'admin'] });
    expect(await post({ name: 'more', scopes: ['read', 'files'] }, admin.key)).toMatchObject({
      status: 403,
      body: { error: { code: 'PERMISSION_DENIED', details: { field: 'scopes' } } },
    });
    await addUser(world.daemon, 'ann@example.org');
    const ann = await pairDevice(world.daemon, { user: 'ann@example.org', scopes: ['read', 'admin'] });
    expect((await askOver(world.daemon, 'DELETE', `/api/keys/${id}`, { token: ann.accessToken })).status).toBe(404);
    expect((await get('/api/keys', ann.accessToken)).body).toEqual({ keys: [] });
  });
});

describe('companion keys', () => {
  const run = async (...args: string[]) => {
    const terminal = runInTerminal({ args: ['keys', ...args], home: world.daemon.home });
    const code = await terminal.exitCode;
    return { code, out: terminal.stdout(), err: terminal.stderr() };
  };

  test('add shows the key once, list all but it, and revoke ends it; they go with their person', async () => {
    await addUser(world.daemon, 'ben@example.org');
    const added = await run(
      'add',
      'nightly',
      '--user',
      'ben@example.org',
      '--limits',
      'prompts=5',
      '--expires',
      '2999-01-31',
    );
    expect(added).toMatchObject({ code: 0, err: expect.stringMatching(/nightly \(key_[\w-]+\)/) });
    const key = added.out.trim();
    expect(await statusOf('/api/sessions', key)).toBe(200);
    const listed = await run();
    expect(listed.out).toMatch(/key_\S+ +nightly +ben@example.org +read,prompt +prompts=5 +2999-01-31T/);
    expect(listed.out).not.toContain(key);
    const second = (await run('add', 'other', '--user', 'ben@example.org')).out.trim();
    const [, id = ''] = /\((key_\S+)\)/.exec(added.err) ?? [];
    expect(await run('revoke', id)).toMatchObject({ code: 0, out: `Revoked ${id}.\n` });
    expect(await statusOf('/api/sessions', key)).toBe(401);
    await askLocally(world.daemon, 'DELETE', '/local/users/ben@example.org');
    expect(await statusOf('/api/sessions', second)).toBe(401);
  });

  test.each([
    [['add', 'x', '--scopes', 'root'], 'scopes.0'],
    [['add', 'x', '--limits', 'prompts=many'], 'limits.prompts'],
    [['add', 'x', '--expires', 'soon'], 'expires'],
    [['add', 'x', '--user', 'nobody@example.org'], 'There is no such person'],
    [['revoke', 'key_gone'], 'There is no such key'],
  ])('%j is refused with the reason', async (args, words) => {
    expect(await run(...args)).toMatchObject({ code: 1, out: '', err: expect.stringContaining(words) });
  });
});
