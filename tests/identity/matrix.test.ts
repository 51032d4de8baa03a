/** Who may do what: every route and every frame, with each kind of credential. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { SCOPES, type Scope } from '../../protocol/access.js';
import type { GrantView } from '../../protocol/auth.js';
import { CLIENT_FRAMES, type ClientFrameType } from '../../protocol/client-frames.js';
import { FRAME_COMMANDS } from '../../protocol/commands/frames.js';
import { ROUTES, type RouteRule } from '../../protocol/commands/rest.js';
import { REST_ANSWERS } from '../../protocol/rest-answers.js';
import { TOKEN } from '../support/daemon.js';
import { example, SESSION, schemaOf } from '../support/example-frames.js';
import { addUser, askOver, bearerOf, pairDevice, upgradeStatus } from '../support/identity-world.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

// No session here needs a turn of the real CLI.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });

let sessionId = '';
let full: GrantView;
let stranger: GrantView;
let revoked: GrantView;
const alone = new Map<Scope, GrantView>();
const without = new Map<Scope, GrantView>();

const others = (scope: Scope) => SCOPES.filter((one) => one !== scope);

beforeAll(async () => {
  const { daemon } = world;
  const body = { workingDirectory: daemon.project('owners') };
  ({ sessionId } = (
    await askOver<{ sessionId: string }>(daemon, 'POST', '/api/sessions', { token: TOKEN, body })
  ).body);
  await addUser(daemon, 'ann@example.org');
  full = await pairDevice(daemon);
  stranger = await pairDevice(daemon, { user: 'ann@example.org', scopes: [...SCOPES] });
  revoked = await pairDevice(daemon);
  await askOver(daemon, 'DELETE', `/api/devices/${revoked.deviceId}`, { token: TOKEN });
  for (const scope of SCOPES) {
    alone.set(scope, await pairDevice(daemon, { scopes: [scope] }));
    without.set(scope, await pairDevice(daemon, { scopes: others(scope) }));
  }
});

interface Claims {
  sub?: string;
  aud?: string;
  iss?: string;
  iat?: number;
  exp?: number;
  nbf?: number;
  scope?: string;
  typ?: string;
  kid?: string;
}

interface Keys {
  instance: string;
  signingKey: string;
}

const keysOf = (home: string): Keys => JSON.parse(readFileSync(join(home, 'keys.json'), 'utf8')) as Keys;
const now = () => Math.floor(Date.now() / 1000);

/** A token as the daemon makes them for the device, signed with its own key unless told otherwise, and with these claims. */
function forge(claims: Claims = {}, key?: KeyObject): Promise<string> {
  const { instance, signingKey } = keysOf(world.daemon.home);
  const [, payload = ''] = full.accessToken.split('.');
  const real = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, string>;
  const [head = ''] = full.accessToken.split('.');
  const { kid: realKid } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid: string };
  const { typ = 'at+jwt', kid = realKid, ...given } = claims;
  const all = { ...real, aud: instance, iat: now(), exp: now() + 900, ...given };
  const header = { alg: 'EdDSA', typ, kid };
  return new SignJWT(all).setProtectedHeader(header).sign(key ?? createPrivateKey(signingKey));
}

const expired = () => forge({ iat: now() - 2000, exp: now() - 1000 });

/** The path of a route for a session, or anything, that is not there unless it is named. */
const pathOf = ({ path }: RouteRule, id = 'not-there') =>
  path
    .replace(':id', id)
    .replace(':seq', '1')
    .replace(':permissionId', 'p')
    .replace('*path', 'a')
    .replace(':email', 'e@f');

const REMOTE = ROUTES.filter(({ local }) => !local);
const GUARDED = REMOTE.filter(({ needs }) => needs !== 'none');
const scoped = GUARDED.filter(
  (rule): rule is RouteRule & { needs: Scope | 'actionToken' } => rule.needs !== 'credential',
);
const scopeOf = ({ needs }: { needs: Scope | 'actionToken' }): Scope => (needs === 'actionToken' ? 'approve' : needs);
const call = (rule: RouteRule, token?: string, id?: string) =>
  askOver(world.daemon, rule.method, pathOf(rule, id), {
    ...(token !== undefined && { token }),
    ...(rule.method !== 'GET' && { body: {} }),
  });

/** The directories below the roots are everyone's. */
const OF_ALL = new Set<RouteRule['command']>(['listProjects', 'listPlaces']);
/** Has what the person has asked for, also by an id that was guessed: audit-pages.test.ts reads whose entries it has. */
const NAMES_ITS_READER = new Set<RouteRule['command']>(['listAudit']);

describe('over HTTP', () => {
  test.each(GUARDED)(
    'S1: $method $path gives nothing for a credential that is none, expired or revoked',
    async (rule) => {
      const tokens = [undefined, 'x'.repeat(43), await expired(), revoked.accessToken, revoked.refreshToken];
      for (const token of tokens) {
        expect(await call(rule, token)).toMatchObject({ status: 401, body: { error: { code: 'UNAUTHORIZED' } } });
      }
    },
  );

  test.each(scoped)('S1: $method $path needs its scope: $needs', async (rule) => {
    const scope = scopeOf(rule);
    const denied = await call(rule, without.get(scope)?.accessToken);
    expect(denied).toMatchObject({ status: 403, body: { error: { code: 'PERMISSION_DENIED' } } });
    expect(denied.body.error?.details?.rule).toContain(`scope ${scope}`);
    const grant = alone.get(scope);
    const own = rule.path.startsWith('/api/devices') ? grant?.deviceId : undefined;
    const allowed = await call(rule, grant?.accessToken, own);
    expect([401, 403]).not.toContain(allowed.status);
    const { shape } = REST_ANSWERS[rule.command];
    if (allowed.status < 300 && shape) expect(shape.safeParse(allowed.body).error).toBeUndefined();
  });

  test.each(REMOTE.filter(({ path }) => path.includes('/:id')))(
    'S1: $method $path has nothing for another person',
    async (rule) => {
      const id = rule.path.includes('devices') ? full.deviceId : sessionId;
      const answer = await call(rule, stranger.accessToken, id);
      // A wrong body is told of before anybody looks who is meant.
      expect(rule.ownCredential ? [401] : [404, 400]).toContain(answer.status);
      expect(JSON.stringify(answer.body)).not.toContain(world.daemon.root);
    },
  );

  test.each(REMOTE.filter(({ method, path }) => method === 'GET' && !path.includes(':')))(
    'S1: $method $path shows another person nothing of the owner',
    async (rule) => {
      const { body } = await call(rule, stranger.accessToken);
      const places = OF_ALL.has(rule.command) ? [] : [world.daemon.root];
      const ids = NAMES_ITS_READER.has(rule.command) ? [] : [sessionId, full.deviceId];
      for (const secret of [...ids, ...places]) {
        expect(JSON.stringify(body)).not.toContain(secret);
      }
    },
  );

  test.each(ROUTES.filter(({ local }) => local))('S1: $method $path is not there over the network', async (rule) => {
    expect((await call(rule)).status).toBe(401);
    expect((await call(rule, TOKEN)).status).toBe(404);
  });

  test('S1: a path that no rule names leads nowhere, however it is spelt', async () => {
    for (const path of ['/API/sessions', '/api/Sessions', '/api//sessions', '/api/sessions/x/y/z', '/metrics/x']) {
      expect(await askOver(world.daemon, 'GET', path, { token: TOKEN })).toMatchObject({ status: 404 });
      expect(await askOver(world.daemon, 'GET', path)).toMatchObject({ status: 401 });
    }
  });
});

const TYPES = Object.keys(CLIENT_FRAMES) as ClientFrameType[];

describe('over a WebSocket', () => {
  const dataOf = (type: ClientFrameType) =>
    JSON.parse(JSON.stringify(example(schemaOf(type))).replaceAll(SESSION, sessionId)) as never;

  test.each(TYPES.filter((type) => FRAME_COMMANDS[type].needs !== 'credential'))(
    'S1: %s needs its scope',
    async (type) => {
      const scope = FRAME_COMMANDS[type].needs as Scope;
      const client = await connect(world.daemon, bearerOf(without.get(scope)?.accessToken ?? ''));
      const denied = await client.request(type, dataOf(type));
      expect(denied).toMatchObject({ type: 'error', data: { code: 'PERMISSION_DENIED' } });
      client.terminate();
    },
  );

  test.each(TYPES.filter((type) => JSON.stringify(example(schemaOf(type))).includes(SESSION)))(
    'S1: %s finds nothing of another person',
    async (type) => {
      const client = await connect(world.daemon, bearerOf(stranger.accessToken));
      const answer = await client.request(type, dataOf(type));
      expect(answer).toMatchObject({ type: 'error', data: { code: 'SESSION_NOT_FOUND' } });
      client.terminate();
    },
  );

  test('S1: a directory in another person’s session is a conflict', async () => {
    const client = await connect(world.daemon, bearerOf(stranger.accessToken));
    const workingDirectory = join(world.daemon.root, 'owners');
    const answer = await client.request('streamStart', { prompt: '', workingDirectory });
    expect(answer).toMatchObject({ type: 'error', data: { code: 'CONFLICT' } });
    expect(JSON.stringify(answer)).not.toContain(sessionId);
    client.terminate();
  });

  test('S1: a device may name itself, and no other', async () => {
    const headers = { authorization: `Bearer ${full.accessToken}` };
    expect(await upgradeStatus(world.daemon, `/ws?deviceId=${full.deviceId}`, headers)).toBe(101);
    expect(await upgradeStatus(world.daemon, '/ws?deviceId=another', headers)).toBe(403);
    const client = await connect(world.daemon, bearerOf(full.accessToken));
    expect(client.deviceId).toBe(full.deviceId);
    client.terminate();
  });

  test.each([
    ['bypassPermissions', 'admin'],
    ['acceptEdits', 'approve'],
    ['auto', 'approve'],
  ] as const)('S1: the mode %s takes the scope %s, on every way', async (permissionMode, scope) => {
    const grant = without.get(scope);
    const client = await connect(world.daemon, bearerOf(grant?.accessToken ?? ''));
    const workingDirectory = world.daemon.project('modes');
    const denied = { type: 'error', data: { code: 'PERMISSION_DENIED' } };
    const started = { prompt: '', workingDirectory, options: { permissionMode } };
    expect(await client.request('streamStart', started)).toMatchObject(denied);
    const set = await client.request('setPermissionMode', { sessionId: sessionId as never, mode: permissionMode });
    expect(set).toMatchObject(denied);
    const token = grant?.accessToken ?? '';
    const body = { workingDirectory, permissionMode };
    expect((await askOver(world.daemon, 'POST', '/api/sessions', { token, body })).status).toBe(403);
    const patch = await askOver(world.daemon, 'PATCH', `/api/sessions/${sessionId}`, {
      token,
      body: { permissionMode },
    });
    expect(patch.status).toBe(403);
    client.terminate();
  });

  test('S1: tools that need not be asked for take the scope approve', async () => {
    const client = await connect(world.daemon, bearerOf(without.get('approve')?.accessToken ?? ''));
    const options = { allowedTools: ['Bash(*)'] };
    const workingDirectory = world.daemon.project('tools');
    const answer = await client.request('streamStart', { prompt: '', workingDirectory, options });
    expect(answer).toMatchObject({ type: 'error', data: { code: 'PERMISSION_DENIED' } });
    client.terminate();
  });
});

describe('a forged token', () => {
  const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

  test.each<[string, () => Promise<string> | string]>([
    [
      'without a signature, alg none',
      () => `${segment({ alg: 'none', typ: 'at+jwt' })}.${full.accessToken.split('.')[1]}.`,
    ],
    [
      'signed with the public key as a secret',
      async () => {
        const { createHmac, createPublicKey } = await import('node:crypto');
        const { signingKey } = keysOf(world.daemon.home);
        const pem = createPublicKey(signingKey).export({ type: 'spki', format: 'pem' });
        const text = `${segment({ alg: 'HS256', typ: 'at+jwt' })}.${full.accessToken.split('.')[1]}`;
        return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`;
      },
    ],
    [
      'signed with another key',
      async () => {
        const { generateKeyPairSync } = await import('node:crypto');
        return forge({}, generateKeyPairSync('ed25519').privateKey);
      },
    ],
    ['for another daemon', () => forge({ aud: 'another' })],
    ['by another issuer', () => forge({ iss: 'another' })],
    ['of another type', () => forge({ typ: 'JWT' })],
    ['from the future', () => forge({ iat: now() + 600, exp: now() + 1500 })],
    ['not valid yet', () => forge({ nbf: now() + 600 })],
    ['that would last for ever', () => forge({ iat: now() - 100_000, exp: now() + 100_000_000 })],
    ['expired', expired],
    ['of another person', () => forge({ sub: stranger.user.id })],
    ['with a changed payload', () => full.accessToken.replace(/\.[^.]+\./, `.${segment({ sub: full.user.id })}.`)],
    ['that is empty', () => '..'],
  ])('S1: %s opens nothing', async (_what, make) => {
    const token = await make();
    expect((await askOver(world.daemon, 'GET', '/api/auth/me', { token })).status).toBe(401);
    expect(await upgradeStatus(world.daemon, '/ws', { authorization: `Bearer ${token}` })).toBe(401);
  });

  test('the control: one that is made the same way with right claims is let in', async () => {
    const { status, body } = await askOver(world.daemon, 'GET', '/api/auth/me', { token: await forge() });
    expect({ status, body }).toMatchObject({ status: 200, body: { deviceId: full.deviceId } });
  });
});
