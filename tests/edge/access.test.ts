import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { type IncomingHttpHeaders, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { localSocketPath } from '../../config/local-socket-path.js';
import { CLOSE } from '../../protocol/error-codes.js';
import { type ErrorBody, errorBodySchema, healthSchema } from '../../protocol/rest.js';
import type { SessionId } from '../../protocol/scalars.js';
import { type Daemon, startDaemon, TOKEN } from '../support/daemon.js';
import { socketsOf } from '../support/descriptors.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

// Of the sessions here one has a turn, with a daemon of its own.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({
  environment: {
    CLAUDE_PATH,
    ALLOWED_HOSTS: 'companion.example, fd00:0::1',
    ALLOWED_ORIGINS: 'https://app.example',
    LOG_LEVEL: 'debug',
  },
});

const BEARER = { authorization: `Bearer ${TOKEN}` };
const base64url = (token: string) => Buffer.from(token).toString('base64url');
const bearerProtocol = (token: string) => ({
  'sec-websocket-protocol': `companion.v1, companion.bearer.${base64url(token)}`,
});

interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

interface Asked extends RequestOptions {
  headers?: Record<string, string>;
  body?: string;
}

/** One request as it is written here, for `fetch` sets `Host` and `Origin` by itself. */
async function ask({ body, ...options }: Asked): Promise<Reply> {
  const { hostname, port } = new URL(world.daemon.url);
  const sent = request(options.socketPath ? options : { hostname, port, ...options });
  sent.end(body);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject);
    sent.once('upgrade', (upgraded, socket) => {
      socket.destroy();
      resolve(upgraded);
    });
  });
  const status = answer.statusCode ?? 0;
  return { status, headers: answer.headers, body: status === 101 ? '' : await text(answer) };
}

const HANDSHAKE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': Buffer.alloc(16, 7).toString('base64'),
};

const upgrade = ({ headers, ...asked }: Asked = {}): Promise<Reply> =>
  ask({ path: '/ws', ...asked, headers: { ...HANDSHAKE, ...headers } });

/** The error of a refused request, whole, and with the request id of its header. */
function errorOf({ status, headers, body }: Reply): ErrorBody['error'] {
  expect(headers['content-type']).toMatch(/^application\/json/);
  const { error } = errorBodySchema.strict().parse(JSON.parse(body));
  expect(error).toMatchObject({ status, requestId: headers['x-request-id'], message: expect.stringMatching(/./) });
  return error;
}

const almost = `${TOKEN.slice(0, -1)}x`;

describe('a WebSocket without a valid credential', () => {
  test.each<[string, Asked]>([
    ['with none', {}],
    ['with an empty Authorization', { headers: { authorization: '' } }],
    ['with an empty bearer', { headers: { authorization: 'Bearer ' } }],
    ['with another bearer', { headers: { authorization: `Bearer ${almost}` } }],
    ['with half of the token', { headers: { authorization: `Bearer ${TOKEN.slice(0, 20)}` } }],
    ['with the token and more', { headers: { authorization: `Bearer ${TOKEN}x` } }],
    ['with the token twice', { headers: { authorization: `Bearer ${TOKEN} ${TOKEN}` } }],
    ['with a huge bearer', { headers: { authorization: `Bearer ${'x'.repeat(15_000)}` } }],
    ['with the token without a scheme', { headers: { authorization: TOKEN } }],
    ['with the token in another scheme', { headers: { authorization: `Basic ${base64url(`owner:${TOKEN}`)}` } }],
    ['with another token in a subprotocol', { headers: bearerProtocol(almost) }],
    ['with an empty subprotocol', { headers: bearerProtocol('') }],
    ['with the bare token as a subprotocol', { headers: { 'sec-websocket-protocol': `companion.bearer.${TOKEN}` } }],
    ['with an empty ?token=', { path: '/ws?token=' }],
    ['with another ?token=', { path: `/ws?token=${almost}` }],
    ['with a huge ?token=', { path: `/ws?token=${'x'.repeat(15_000)}` }],
    ['with a ?ticket= that nobody gave', { path: '/ws?ticket=ticket' }],
    [
      'with a wrong header before the right ?token=',
      { path: `/ws?token=${TOKEN}`, headers: { authorization: 'Bearer x' } },
    ],
    ['with a wrong subprotocol before the right ?token=', { path: `/ws?token=${TOKEN}`, headers: bearerProtocol('x') }],
  ])('S1: %s is answered 401 in JSON', async (_what, asked) => {
    const reply = await upgrade(asked);
    expect(reply.status).toBe(401);
    expect(errorOf(reply).code).toBe('UNAUTHORIZED');
    expect(reply.headers['sec-websocket-accept']).toBeUndefined();
  });
});

test('S1: whoever is refused holds no socket of the daemon, even when it never closes its own end', async () => {
  const held = () => socketsOf(world.daemon.pid);
  const before = held();
  const { hostname, port } = new URL(world.daemon.url);
  const lines = ['GET /ws HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', '', ''];
  const sockets = Array.from({ length: 30 }, () => {
    const socket = createConnection({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.write(lines.join('\r\n'));
    return socket;
  });
  const replies = sockets.map((socket) => Promise.all([once(socket, 'data'), once(socket, 'end')]));
  for (const [[answer]] of await Promise.all(replies)) expect(String(answer)).toMatch(/^HTTP\/1\.1 401 /);
  expect(sockets.every((socket) => socket.writable)).toBe(true);
  await waitUntil('the daemon has let go of them', () => held() < before + sockets.length / 2);
  for (const socket of sockets) socket.destroy();
});

describe('a WebSocket with the token', () => {
  test.each<[string, Asked]>([
    ['in Authorization', { headers: BEARER }],
    ['in Authorization, in small letters', { headers: { authorization: `bearer ${TOKEN}` } }],
    ['in a subprotocol', { headers: bearerProtocol(TOKEN) }],
    ['in ?token=', { path: `/ws?token=${TOKEN}` }],
    ['in ?token= among others', { path: `/ws?deviceId=a&token=${TOKEN}&x=y` }],
  ])('S1: %s is served', async (_what, asked) => {
    expect((await upgrade(asked)).status).toBe(101);
  });

  test('S1: a browser gets the subprotocol companion.v1, and its bearer is never echoed', async () => {
    const { headers } = await upgrade({ headers: bearerProtocol(TOKEN) });
    expect(headers['sec-websocket-protocol']).toBe('companion.v1');
    expect(JSON.stringify(headers)).not.toContain(base64url(TOKEN));
    const alone = await upgrade({ headers: { 'sec-websocket-protocol': `companion.bearer.${base64url(TOKEN)}` } });
    expect(JSON.stringify(alone.headers)).not.toContain('bearer');

    const offered = [`companion.bearer.${base64url(TOKEN)}`, 'companion.v1'];
    const socket = new WebSocket(`${world.daemon.url.replace('http', 'ws')}/ws`, offered);
    const [welcome] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(welcome.toString())).toMatchObject({ type: 'welcome' });
    expect(socket.protocol).toBe('companion.v1');
    socket.terminate();
  });

  test.each([
    ['/'],
    ['//'],
    ['/wss'],
    ['/ws/'],
    ['/ws/..'],
    ['/api/sessions'],
    ['/%'],
    ['*'],
    ['http://other.example/ws'],
  ])('S1: at %s, where no WebSockets are served, gets 404', async (path) => {
    const reply = await upgrade({ path, headers: BEARER });
    expect(reply.status).toBe(404);
    expect(errorOf(reply).code).toBe('NOT_FOUND');
  });
});

const own = (name: string) => `http://${name}:${new URL(world.daemon.url).port}`;

describe('a page or a name of somebody else', () => {
  const foreign: [string, Record<string, string>][] = [
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['an origin that begins like ours', { origin: 'https://app.example.evil.example' }],
    ['our origin with another scheme', { origin: 'http://app.example' }],
    ['our origin with another port', { origin: 'https://app.example:8443' }],
    ['a page from a file', { origin: 'null' }],
    ['an origin that is no URL', { origin: 'evil' }],
    ['a foreign host', { host: 'evil.example' }],
    ['a foreign host at our port', { host: 'evil.example:3001' }],
    ['a host that begins like ours', { host: 'localhost.evil.example' }],
    ['a host that ends like ours', { host: 'evil-localhost' }],
    ['another address', { host: '10.0.0.1' }],
    ['a host that is none', { host: 'a b' }],
  ];

  test.each(foreign)('S1: by %s a WebSocket is refused with 403, credential or not', async (_what, headers) => {
    expect(errorOf(await upgrade({ headers: { ...BEARER, ...headers } }))).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(errorOf(await upgrade({ headers }))).toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  test.each(foreign)('S1: by %s a request is refused with 403, credential or not', async (_what, headers) => {
    for (const path of ['/live', '/health', '/api/sessions']) {
      expect(errorOf(await ask({ path, headers }))).toMatchObject({ status: 403 });
      expect(errorOf(await ask({ path, headers: { ...BEARER, ...headers } }))).toMatchObject({ status: 403 });
    }
  });

  test.each<[string, () => Record<string, string>]>([
    ['no origin', () => ({})],
    ['the origin of its own URL', () => ({ origin: world.daemon.url })],
    ['the origin localhost', () => ({ origin: own('localhost') })],
    ['an allowed origin', () => ({ origin: 'https://app.example' })],
    ['the host localhost', () => ({ host: 'localhost' })],
    ['the host LOCALHOST', () => ({ host: 'LOCALHOST:3001' })],
    ['the host [::1]', () => ({ host: '[::1]:3001' })],
    ['an allowed host', () => ({ host: 'companion.example' })],
    ['an allowed address', () => ({ host: '[fd00::1]:3001', origin: 'http://[fd00::1]:3001' })],
    ['the origin of an allowed host', () => ({ host: 'companion.example', origin: 'https://companion.example' })],
  ])('S1: by %s it is reached', async (_what, headers) => {
    expect(await upgrade({ headers: { ...BEARER, ...headers() } })).toMatchObject({ status: 101 });
    expect(await ask({ path: '/api/sessions', headers: { ...BEARER, ...headers() } })).toMatchObject({ status: 200 });
  });
});

const GUARDED = `
GET /ready · GET /metrics · GET /api/info · GET /openapi.json · GET /asyncapi.json · GET /docs
GET /api/sessions · POST /api/sessions · GET /api/sessions/1 · PATCH /api/sessions/1 · DELETE /api/sessions/1
DELETE /api/sessions/1?purge=true · POST /api/sessions/continue · GET /api/sessions/1/messages · GET /api/sessions/1/history
GET /api/sessions/1/events/1 · GET /api/sessions/1/export?format=json · POST /api/sessions/1/prompts
GET /api/sessions/1/prompts/1 · DELETE /api/sessions/1/prompts/1 · GET /api/sessions/1/prompts/1/stream
POST /api/sessions/1/interrupt · GET /api/sessions/1/permissions · POST /api/sessions/1/permissions/1
GET /api/sessions/1/files · GET /api/sessions/1/files/a · POST /api/sessions/1/files/a · PUT /api/sessions/1/files/a
DELETE /api/sessions/1/files/a · GET /api/claude-code/sessions · POST /api/claude-code/sessions
DELETE /api/claude-code/sessions/1 · GET /api/projects · POST /api/projects · GET /api/projects/a
DELETE /api/projects/a · POST /api/projects/a/start · GET /api/devices · PATCH /api/devices/a · DELETE /api/devices/a
GET /api/devices/a/queue · GET /api/push-notifications/deliveries · GET /api/push-notifications/vapid-key
POST /api/push-notifications/register · GET /api/telemetry · GET /api/telemetry/client/a · GET /api/telemetry/export
POST /api/auth/logout · POST /api/auth/ticket · GET /api/auth/me · POST /v1/chat/completions · GET /v1/models
GET /v1/models/capabilities · GET /v1/models/a · GET /v1/projects · GET /v1/sessions · GET /v1/sessions/stats
GET /v1/mcp/servers · GET /v1/mcp/servers/a/tools · POST /local/token · POST /local/stop · GET /ws · GET /
GET /nothing · HEAD /api/sessions · OPTIONS /api/sessions · GET /API/Sessions · GET //api/sessions
GET /api/sessions/ · GET /live/../api/sessions · GET /health/x · GET /api/sessions/%2e%2e · GET /api/sessions/%E0%A4%A
`
  .split(/[\n·]/)
  .map((line) => line.trim().split(' '))
  .filter((words): words is [string, string] => words.length === 2);

describe('over HTTP', () => {
  test.each(GUARDED)('S1: %s %s without a valid credential is answered 401', async (method, path) => {
    const wrong: Record<string, string>[] = [{}, { authorization: `Bearer ${almost}` }, { 'x-api-key': almost }];
    for (const headers of [...wrong, { 'x-api-key': '' }]) {
      const reply = await ask({ path, method, headers });
      expect(reply.status).toBe(401);
      if (method !== 'HEAD') expect(errorOf(reply).code).toBe('UNAUTHORIZED');
    }
  });

  test('S1: a body is not even looked at without a credential', async () => {
    const headers = { 'content-type': 'application/json' };
    for (const body of ['{', JSON.stringify({ x: 'x'.repeat(100_000) })]) {
      expect(await ask({ path: '/api/sessions', method: 'POST', headers, body })).toMatchObject({ status: 401 });
    }
  });

  test('S1: without a credential /live says that the daemon lives, and /health its status alone', async () => {
    for (const headers of [{}, { authorization: `Bearer ${almost}` }]) {
      expect(await ask({ path: '/live', headers })).toMatchObject({ status: 200, body: '{"status":"ok"}' });
      const health = await ask({ path: '/health', headers });
      expect(Object.keys(JSON.parse(health.body) as object)).toEqual(['status']);
    }
  });

  test.each<[string, Record<string, string>]>([
    ['Authorization', BEARER],
    ['x-api-key', { 'x-api-key': TOKEN }],
  ])('S1: the token in %s opens it', async (_where, headers) => {
    expect(await ask({ path: '/api/sessions', headers })).toMatchObject({ status: 200 });
    expect(healthSchema.strict().parse(JSON.parse((await ask({ path: '/health', headers })).body)).ok).toBeDefined();
  });

  test('S1: the token in a query opens nothing but a WebSocket', async () => {
    expect(await ask({ path: `/api/sessions?token=${TOKEN}` })).toMatchObject({ status: 401 });
  });

  test.each([
    ['/live', 200],
    ['/api/sessions', 401],
    ['/nothing', 401],
    ['/ws', 401],
  ])('every answer at %s has a request id of its own', async (path, status) => {
    const replies = [await ask({ path }), await ask({ path })];
    expect(replies).toMatchObject([{ status }, { status }]);
    const ids = replies.map(({ headers }) => headers['x-request-id']);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[\w.-]{8,128}$/);
  });

  test.each([['my.request_id-1'], ['r'], ['r'.repeat(128)]])('the request id %s is kept', async (id) => {
    const headers = { 'x-request-id': id };
    expect((await ask({ path: '/live', headers })).headers['x-request-id']).toBe(id);
    expect(errorOf(await ask({ path: '/api/sessions', headers })).requestId).toBe(id);
    expect(errorOf(await upgrade({ headers })).requestId).toBe(id);
  });

  test.each([['r'.repeat(129)], ['a b'], ['<script>'], ['{"a":1}'], ['']])(
    'the request id %j is not taken over: another one is given',
    async (id) => {
      const headers = { 'x-request-id': id };
      expect(errorOf(await ask({ path: '/api/sessions', headers })).requestId).not.toBe(id);
      expect(errorOf(await upgrade({ headers })).requestId).not.toBe(id);
    },
  );
});

async function welcomed(query: string, headers: Record<string, string> = {}): Promise<string> {
  const socket = new WebSocket(`${world.daemon.url.replace('http', 'ws')}/ws${query}`, {
    headers: { ...BEARER, ...headers },
  });
  const [frame] = (await once(socket, 'message')) as [Buffer];
  socket.terminate();
  return (JSON.parse(frame.toString()) as { data: { deviceId: string } }).data.deviceId;
}

describe('a device', () => {
  test.each([['a'], ['A-Z.a_z-0-9'], ['.'], ['d'.repeat(64)]])('named %s is welcomed by that name', async (id) => {
    expect(await welcomed(`?deviceId=${id}`)).toBe(id);
    expect(await welcomed('', { 'x-device-id': id })).toBe(id);
  });

  test('without a name gets a new one each time', async () => {
    const ids = [await welcomed(''), await welcomed('')];
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[\w.-]{1,64}$/);
  });

  test.each([
    ['nothing', ''],
    ['65 letters', 'd'.repeat(65)],
    ['10,000 letters', 'd'.repeat(10_000)],
    ['a blank', 'a%20b'],
    ['a slash', '../a'],
    ['an umlaut', '%C3%A4'],
    ['a new line at its end', 'a%0A'],
    ['a NUL', 'a%00'],
    ['half of an escape', '%E0%A4'],
  ])('O1: named with %s is refused by that field', async (_what, id) => {
    const reply = await upgrade({ path: `/ws?deviceId=${id}`, headers: BEARER });
    expect(errorOf(reply)).toMatchObject({ status: 400, code: 'INVALID_REQUEST', details: { field: 'deviceId' } });
  });

  test.each([['a b'], ['d'.repeat(65)], ['a/b'], ['a,b']])(
    'O1: named %j in X-Device-Id is refused by that field',
    async (id) => {
      const reply = await upgrade({ headers: { ...BEARER, 'x-device-id': id } });
      expect(errorOf(reply)).toMatchObject({ status: 400, details: { field: 'deviceId' } });
    },
  );

  test('has one connection: the newest wins, and the older one closes with 4409', async () => {
    const other = await world.connect({ deviceId: 'other' });
    const first = await world.connect({ deviceId: 'phone' });
    const second = await world.connect({ headers: { 'x-device-id': 'phone' } });
    expect(await first.closed).toBe(CLOSE.replaced);
    const third = await world.connect({ deviceId: 'phone' });
    expect(await second.closed).toBe(CLOSE.replaced);
    for (const client of [third, other]) expect((await client.request('ping', {})).type).toBe('pong');
  });

  test('is not pushed aside by one that may not come in', async () => {
    const client = await world.connect({ deviceId: 'tablet' });
    expect(await upgrade({ path: '/ws?deviceId=tablet' })).toMatchObject({ status: 401 });
    expect(await upgrade({ path: '/ws?deviceId=tablet', headers: { ...BEARER, origin: 'null' } })).toMatchObject({
      status: 403,
    });
    expect((await client.request('ping', {})).type).toBe('pong');
  });
});

/** Files, folders, sockets and pipes, with the rights that they give to others than their owner. */
function everythingIn(folder: string): { name: string; isFile: boolean; mode: number }[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  return [folder, ...names].map((name) => {
    const found = statSync(name);
    return { name, isFile: found.isFile(), mode: found.mode & 0o777 };
  });
}

const contains = (file: string, secret: string) => readFileSync(file).includes(secret);

const environOf = (pid: number) => readFileSync(`/proc/${pid}/environ`, 'utf8');

/** Uses the token in every way, right and wrong, in a daemon that has a session and says all it can to its log. */
async function useToken(daemon: Daemon, token: string): Promise<void> {
  const { port } = new URL(daemon.url);
  const headers = { authorization: `Bearer ${token}` };
  for (const path of ['/ws', `/ws?token=${token}`, `/ws?token=${token}x`]) {
    for (const some of [headers, bearerProtocol(token), {}]) await upgrade({ port, path, headers: some });
    for (const some of [headers, { 'x-api-key': token }, { cookie: `token=${token}` }, {}]) {
      await ask({ port, path: path.replace(/^\/ws/, '/api/sessions'), headers: some });
    }
  }
  const client = await connect(daemon, { headers });
  await client.request('reauthenticate', { token });
  await client.request('reauthenticate', { token: `${token}x` });
  client.sendRaw(`{"type":"reauthenticate","data":{"token":"${token}"`);
  client.sendRaw(JSON.stringify({ type: token, data: { token } }));
  await client.request('ping', {});
  await client.close();
}

describe('the token', () => {
  test('S1: is in no file of the daemon, on no stderr and in no child, however it was used', async () => {
    const daemon = await startDaemon({ apiUrl: world.api.url, environment: { LOG_LEVEL: 'debug' } });
    try {
      const made = await ask({ socketPath: localSocketPath(daemon.home), path: '/local/token', method: 'POST' });
      const { token } = JSON.parse(made.body) as { token: string };
      const client = await connect(daemon);
      const started = await client.request('streamStart', {
        prompt: scenario({ text: 'Nothing to hide.' }),
        workingDirectory: daemon.project(),
      });
      await client.waitFor('streamComplete');
      for (const secret of [TOKEN, token]) await useToken(daemon, secret);
      const children = daemon.sessionProcesses(started.data.sessionId);
      expect(children.length).toBeGreaterThan(0);
      for (const pid of children) expect(environOf(pid)).not.toContain(TOKEN);
      client.terminate();
      expect(await daemon.kill('SIGTERM')).toBe(0);

      const files = everythingIn(daemon.home).filter(({ isFile }) => isFile);
      const log = files.find(({ name }) => name.endsWith('.log') && contains(name, '/api/sessions'));
      expect(log).toBeDefined();
      for (const secret of [TOKEN, base64url(TOKEN), token, base64url(token)]) {
        expect(files.filter(({ name }) => contains(name, secret))).toEqual([]);
        expect(daemon.stderr()).not.toContain(secret);
      }
    } finally {
      await daemon.stop();
    }
  });
});

describe('the home of the daemon', () => {
  test("S1: is its owner's alone, with everything in it", async () => {
    const client = await world.connect();
    await client.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
    const { home } = world.daemon;
    const found = everythingIn(home);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    for (const name of ['registry.json', 'journal.db', 'journal.db-wal', 'daemon.sock', 'logs/companion.log']) {
      expect(found).toContainEqual(expect.objectContaining({ name: join(home, name), mode: 0o600 }));
    }
    expect(found.filter(({ mode }) => (mode & 0o077) !== 0)).toEqual([]);
  });
});

describe('another daemon', () => {
  test('S1: with WS_QUERY_TOKEN=deny refuses the token in ?token= and serves it in a header; its sessions are not there for this one', async () => {
    const theirs = await startDaemon({ apiUrl: world.api.url, environment: { CLAUDE_PATH, WS_QUERY_TOKEN: 'deny' } });
    try {
      const { port } = new URL(theirs.url);
      const query = await upgrade({ path: `/ws?token=${TOKEN}`, port });
      expect(errorOf(query).code).toBe('UNAUTHORIZED');
      for (const headers of [BEARER, bearerProtocol(TOKEN)]) {
        expect(await upgrade({ headers, port })).toMatchObject({ status: 101 });
      }
      const stranger = await connect(theirs);
      const { data } = await stranger.request('streamStart', { prompt: '', workingDirectory: theirs.project() });
      const sessionId = data.sessionId as SessionId;
      const client = await world.connect();
      const answers = [
        await client.request('streamSend', { sessionId, prompt: 'Hello?' }),
        await client.request('subscribe', { events: ['*'], sessionIds: [sessionId] }),
        await client.request('subscribe', { events: ['*'], cursors: { [sessionId]: { epoch: 'e', seq: 0 as never } } }),
        await client.request('unsubscribe', { sessionIds: [sessionId] }),
        await client.request('ack', { sessionId, seq: 1 }),
        await client.request('interrupt', { sessionId }),
        await client.request('streamClose', { sessionId, reason: 'not mine' }),
        await client.request('setModel', { sessionId, model: 'haiku' }),
        await client.request('setPermissionMode', { sessionId, mode: 'plan' }),
        await client.request('setEffort', { sessionId, effort: 'high' }),
        await client.request('setThinking', { sessionId, maxTokens: 1024 }),
        await client.request('addDirectory', { sessionId, directory: '.' }),
        await client.request('getMessageHistory', { sessionId }),
        await client.request('sessionCapabilities', { sessionId }),
        await client.request('suggestFiles', { sessionId, query: '' }),
        await client.request('contextUsage', { sessionId }),
        await client.request('sideQuestion', { sessionId, question: 'Hello?' }),
        await client.request('permission', { sessionId, response: 'y', remember: false }),
        await client.request('claudeCommand', { command: 'Hello?', projectPath: '.', sessionId }),
      ];
      for (const answer of answers)
        expect(answer).toMatchObject({ type: 'error', data: { code: 'SESSION_NOT_FOUND' } });
      for (const [method, path] of [
        ['GET', ''],
        ['PATCH', ''],
        ['DELETE', ''],
        ['DELETE', '?purge=true'],
        ['GET', '/events/1'],
      ]) {
        const body = method === 'PATCH' ? '{"sessionName":"mine"}' : undefined;
        const headers = { ...BEARER, 'content-type': 'application/json' };
        const reply = await ask({ path: `/api/sessions/${sessionId}${path}`, method, headers, ...(body && { body }) });
        expect(errorOf(reply)).toMatchObject({ status: 404, code: 'SESSION_NOT_FOUND' });
      }
      expect(theirs.sessionProcesses(sessionId).length).toBeGreaterThan(0);
      stranger.terminate();
    } finally {
      await theirs.stop();
    }
  });
});
