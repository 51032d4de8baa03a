/** Credentials of every kind, prompts and contents, with a word in each by which they are found again: they are not. */
import { createECDH, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import type { GrantView } from '../../protocol/auth.js';
import { CHEAP_PASSWORDS } from '../support/cheap-passwords.js';
import { TOKEN } from '../support/daemon.js';
import { freePort } from '../support/free-port.js';
import { askLocally, askOver, bearerOf, upgradeStatus } from '../support/identity-world.js';
import { usePushWorld } from '../support/push-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect, type WireClient } from '../support/wire-client.js';

const MOST_MS = 120_000;

const word = (kind: string) => `canary-${kind}-${randomBytes(16).toString('hex')}`;
const vapid = createECDH('prime256v1');
vapid.generateKeys();
const apnsKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
/** Of an address that is pushed to, and where nobody is: errors tell of addresses. */
const nobody = await freePort();

/** By what it is. What clients get during the test comes along. */
const credentials = new Map<string, string>([
  ['AUTH_TOKEN', TOKEN],
  ['NTFY_TOKEN', word('ntfy')],
  // Node leaves out leading zeros: one key of 256 has fewer bytes.
  ['VAPID_PRIVATE_KEY', Buffer.from(vapid.getPrivateKey('hex').padStart(64, '0'), 'hex').toString('base64url')],
  ['APNS_KEY', apnsKey.toString().split('\n')[1] ?? ''],
  ['password', word('password')],
  ['new password', word('new-password')],
]);
const secret = (name: string): string => credentials.get(name) ?? '';

/** Where a device is pushed to: the registry has it, and nothing else. */
const addresses = new Map<string, string>([
  ['encryptionKey', randomBytes(32).toString('base64')],
  ['token of Apple', randomBytes(32).toString('hex')],
  ['endpoint of a browser', word('endpoint')],
  ['secret of a browser', randomBytes(16).toString('base64url')],
]);

const contents = new Map<string, string>(
  [
    'prompt',
    'prompt that is refused',
    'prompt that fails',
    'answer',
    'command',
    'output',
    'message to a denial',
    'file',
    'file that is refused',
    'question',
  ].map((kind) => [kind, word(kind.replaceAll(' ', '-'))]),
);
const content = (name: string): string => contents.get(name) ?? '';

const world = usePushWorld({
  ...CHEAP_PASSWORDS,
  PUSH_ALLOW_PRIVATE: 'true',
  LOG_LEVEL: 'debug',
  NTFY_TOKEN: secret('NTFY_TOKEN'),
  VAPID_PUBLIC_KEY: vapid.getPublicKey('base64url'),
  VAPID_PRIVATE_KEY: secret('VAPID_PRIVATE_KEY'),
  VAPID_SUBJECT: 'mailto:owner@example.org',
  APNS_KEY: apnsKey.toString(),
  APNS_KEY_ID: 'ABCDEFGHIJ',
  APNS_TEAM_ID: 'ABCDEFGHIJ',
  APNS_TOPIC: 'org.example.app',
  APNS_ADDRESS: '127.0.0.1',
  APNS_PORT: String(nobody),
});

interface WrittenFile {
  name: string;
  bytes: Buffer;
}
let written: WrittenFile[] = [];
let output = Buffer.alloc(0);

function filesIn(folder: string): WrittenFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}

const encoded = (text: string): string[] => [
  text,
  text.slice(2, -2),
  Buffer.from(text).toString('base64url').slice(0, -2),
  encodeURIComponent(text),
  text.toLowerCase(),
];
const has = ({ bytes }: WrittenFile, text: string): boolean => encoded(text).some((form) => bytes.includes(form));
const filesWith = (text: string): string[] => written.filter((file) => has(file, text)).map(({ name }) => name);
const printed = (): WrittenFile => ({ name: 'what was printed', bytes: output });

const over = <T = Record<string, unknown>>(method: string, path: string, options?: Parameters<typeof askOver>[3]) =>
  askOver<T>(world.daemon, method, path, options);

/** Something that is no JSON, or not in the way that was said. */
const sendBroken = (path: string, body: string, headers: Record<string, string> = {}) =>
  world.daemon.fetch(path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });

/** In all places of HTTP where a credential goes, could be put by mistake, or is refused. */
async function overHttp(text: string): Promise<void> {
  const basic = Buffer.from(`owner:${text}`).toString('base64');
  const places: [path: string, headers: Record<string, string>][] = [
    ['/api/sessions', { authorization: `Basic ${basic}` }],
    ['/api/sessions', { authorization: text }],
    ['/api/sessions', { 'x-api-key': text }],
    ['/api/sessions', { cookie: `token=${text}` }],
    ['/api/sessions', { origin: `http://${text}.example`, referer: `http://localhost/?token=${text}` }],
    ...['/api/sessions', '/health', '/nothing', `/api/auth/me?token=${text}`, `/x%3Ftoken=${text}`].map(
      (path): [string, Record<string, string>] => [path, { authorization: `Bearer ${text}` }],
    ),
  ];
  for (const [path, headers] of places) await over('GET', path, { headers });
  for (const path of ['pair', 'login', 'refresh', 'ticket', 'logout']) {
    for (const body of [{ code: text }, { refreshToken: `${text}!` }, { email: text, password: text }, [text], text]) {
      await over('POST', `/api/auth/${path}?code=${text}`, { body });
    }
    await sendBroken(`/api/auth/${path}`, `{"token":"${text}"`, { authorization: '' });
    await sendBroken(`/api/auth/${path}`, text, { 'content-encoding': 'gzip' });
    await sendBroken(`/api/auth/${path}`, `{"a":"${text}"}`, { 'content-type': 'application/json; charset=x' });
  }
  await over('POST', '/api/auth/login', { body: { email: 'ann@example.org', password: `${text}x` } });
  await over('POST', '/api/sessions', { token: TOKEN, body: { workingDirectory: `/nowhere/\0${text}`, [text]: text } });
  await over('PATCH', '/api/devices/x', { token: TOKEN, body: { [text]: text, name: { text } } });
  await over('POST', '/api/push-notifications/register', {
    token: TOKEN,
    body: { deviceId: 'x', platform: 'ios', token: text, encryptionKey: text },
  });
  await over('POST', '/api/sessions/s/permissions/p', { body: { response: 'allow', actionToken: text } });
}

/** What Node itself refuses, or what is no HTTP at all. */
async function overTcp(text: string): Promise<void> {
  const { hostname, port } = new URL(world.daemon.url);
  for (const said of [
    `GET / HTTP/1.1\r\nAuthorization Bearer ${text}\r\n\r\n`,
    `GET /?token=${text} HTTP/9.9\r\n\r\n`,
    `${text}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${text}\r\nX: ${'x'.repeat(20_000)}${text}\r\n\r\n`,
  ]) {
    const socket = createConnection(Number(port), hostname);
    socket.on('error', () => {});
    socket.end(said);
    socket.resume();
    await once(socket, 'close');
  }
}

async function overWebSocket(text: string): Promise<void> {
  const base64url = Buffer.from(text).toString('base64url');
  const places: [query: string, headers: Record<string, string>][] = [
    ['', { authorization: `Bearer ${text}` }],
    ['', { 'sec-websocket-protocol': `companion.v1, companion.bearer.${base64url}` }],
    ['', { 'sec-websocket-protocol': `companion.bearer.${base64url}x` }],
    ['', { 'x-device-id': `${text} ${text}` }],
    [`?token=${text}`, {}],
    [`?token=${text}x`, {}],
    [`?ticket=${text}`, {}],
    [`?deviceId=%20${text}`, { authorization: `Bearer ${text}` }],
  ];
  for (const [query, headers] of places) {
    // `ws` itself is not content with a server that takes none of its protocols.
    const socket = new WebSocket(`${world.daemon.url.replace('http', 'ws')}/ws${query}`, { headers });
    socket.on('error', () => {});
    await new Promise((resolve) => {
      socket.once('close', resolve);
      socket.once('open', () => socket.terminate());
    });
  }
  const client = await connect(world.daemon);
  await client.request('reauthenticate', { token: text });
  await client.request('reauthenticate', { token: `${text}x` });
  for (const raw of [
    text,
    `{"type":"reauthenticate","data":{"token":"${text}"`,
    JSON.stringify({ type: text, data: { [text]: text } }),
    JSON.stringify({
      type: 'registerDevice',
      requestId: 1,
      data: { platform: text, token: text, encryptionKey: text },
    }),
    JSON.stringify({
      type: 'registerDevice',
      requestId: 'r',
      data: {
        [text]: 1,
        platform: 'ntfy',
        token: 'x',
        preferences: { [text]: 1, kinds: { [text]: 1 }, quietHours: text },
      },
    }),
    JSON.stringify({
      type: 'subscribe',
      requestId: 'r',
      data: { events: [text], cursors: { [`${text} `]: { epoch: 1 } }, [text]: 1 },
    }),
    JSON.stringify({ type: 'ack', requestId: 'r', data: { sessionId: ` ${text}`, seq: text } }),
    JSON.stringify({ type: 'streamStart', requestId: 'r', data: { prompt: 1, workingDirectory: `/\0${text}` } }),
  ]) {
    client.sendRaw(raw);
    client.sendRaw(Buffer.from(raw), { binary: true });
  }
  await client.request('ping', {});
  await client.close();
}

/** Pairs, renews, logs in and out, rightly and wrongly; keeps all that it was given. */
async function obtainCredentials(): Promise<string> {
  const local = <T>(method: string, path: string, body: object = {}) => askLocally<T>(world.daemon, method, path, body);
  const keep = (name: string, { accessToken, refreshToken }: GrantView) => {
    credentials.set(`access token by ${name}`, accessToken);
    credentials.set(`refresh token by ${name}`, refreshToken);
  };
  credentials.set('owner’s token', (await local<{ token: string }>('POST', '/local/token')).token);
  await local('POST', '/local/users', { email: 'ann@example.org', password: secret('password') });
  await local('POST', '/local/users', { email: secret('password'), password: secret('password') });
  await local('PATCH', '/local/users/ann%40example.org', { password: secret('new password') });
  await local('PATCH', '/local/users/nobody%40example.org', { password: secret('new password') });
  const logIn = (password: string) =>
    over<GrantView>('POST', '/api/auth/login', { body: { email: 'ann@example.org', password } });
  expect((await logIn(secret('password'))).status).toBe(401);
  keep('login', (await logIn(secret('new password'))).body);
  for (const name of ['used code', 'open code']) {
    credentials.set(name, (await local<{ code: string }>('POST', '/local/pair')).code);
  }
  const body = { code: secret('used code'), deviceName: 'phone', platform: 'ios', deviceId: 'canary-phone' };
  keep('code', (await over<GrantView>('POST', '/api/auth/pair', { body })).body);
  const refresh = (name: string, requestId: string) =>
    over<GrantView>('POST', '/api/auth/refresh', {
      body: { refreshToken: secret(`refresh token by ${name}`), requestId },
    });
  keep('renewal', (await refresh('code', 'first')).body);
  keep('repetition', (await refresh('code', 'first')).body);
  const token = secret('access token by renewal');
  for (const name of ['used ticket', 'open ticket']) {
    credentials.set(name, (await over<{ ticket: string }>('POST', '/api/auth/ticket', { token })).body.ticket);
  }
  expect(await upgradeStatus(world.daemon, `/ws?ticket=${secret('used ticket')}`)).toBe(101);
  return token;
}

/** Apple's, a browser's and ntfy's devices; the first two are where nobody is. */
async function registerDevices(token: string): Promise<WireClient> {
  const phone = await connect(world.daemon, { deviceId: 'canary-phone', ...bearerOf(token) });
  await phone.request('registerDevice', {
    platform: 'ios',
    token: addresses.get('token of Apple') ?? '',
    encryptionKey: addresses.get('encryptionKey') ?? '',
  });
  const ecdh = createECDH('prime256v1');
  const subscription = {
    endpoint: `https://127.0.0.1:${nobody}/${addresses.get('endpoint of a browser')}`,
    keys: { p256dh: ecdh.generateKeys('base64url'), auth: addresses.get('secret of a browser') },
  };
  const browser = await connect(world.daemon, { deviceId: 'canary-browser' });
  await browser.request('registerDevice', { platform: 'web', token: JSON.stringify(subscription) });
  await browser.close();
  await (await world.register('canary-ntfy')).close();
  return phone;
}

/** A turn that asks and is answered by a token of a push; then others that fail, are refused, and read and write files. */
async function converse(client: WireClient): Promise<void> {
  const workingDirectory = world.daemon.project('canaries');
  const command = `echo ${content('output')} > "${content('command')}"; cat "${content('command')}"`;
  const started = await client.request('streamStart', {
    prompt: `${content('prompt')} ${scenario(
      { tools: [{ name: 'Bash', input: { command, description: content('command') } }] },
      { text: content('answer') },
    )}`,
    workingDirectory,
  });
  const { sessionId } = started.data;
  const { permissionId } = (await client.waitFor('permissionRequest')).data;
  await client.request('clientBackgrounding', {});
  await world.pushed('canary-ntfy');
  const [message] = world.messages('canary-ntfy');
  for (const { label, body } of message?.actions ?? []) {
    credentials.set(`action token to ${label}`, (JSON.parse(body) as { actionToken: string }).actionToken);
  }
  const answer = (response: string, actionToken: string) =>
    over('POST', `/api/sessions/${sessionId}/permissions/${permissionId}`, { body: { response, actionToken } });
  expect((await answer('deny', secret('action token to Allow'))).status).toBe(401);
  expect((await answer('allow', secret('action token to Allow'))).status).toBe(200);
  await client.waitFor('streamComplete');
  await client.request('streamSend', {
    sessionId: sessionId as never,
    prompt: `${content('prompt that fails')} ${scenario({
      error: { status: 400, type: 'invalid_request_error', message: content('prompt that fails') },
    })}`,
  });
  const from = client.frames.length;
  await client.waitFor('streamComplete', from - 1);
  await denyWithMessage(client, sessionId);
  await refuse(client, sessionId);
  await useFiles(sessionId, workingDirectory);
}

async function denyWithMessage(client: WireClient, sessionId: string): Promise<void> {
  const from = client.frames.length;
  await client.request('streamSend', {
    sessionId: sessionId as never,
    prompt: scenario({ tools: [{ name: 'Bash', input: { command: 'touch x', description: 'x' } }] }, { text: 'No.' }),
  });
  const { permissionId } = (await client.waitFor('permissionRequest', from)).data;
  const answer = { permissionId: permissionId as never, response: 'n', remember: false };
  await client.request('permission', {
    ...answer,
    sessionId: sessionId as never,
    message: content('message to a denial'),
  });
  await client.request('permission', {
    ...answer,
    sessionId: sessionId as never,
    message: content('message to a denial'),
  });
  await client.waitFor('streamComplete', from);
}

async function refuse(client: WireClient, sessionId: string): Promise<void> {
  const prompt = content('prompt that is refused');
  for (const data of [
    { sessionId: 'none', prompt },
    { sessionId, prompt: [prompt] },
    { sessionId, prompt, attachments: [prompt] },
    { sessionId, prompt: prompt.repeat(40_000) },
  ]) {
    client.sendRaw(JSON.stringify({ type: 'streamSend', requestId: 'refused', data }));
  }
  client.sendRaw(`{"type":"streamSend","data":{"prompt":"${prompt}`);
  await client.request('streamStart', { prompt, workingDirectory: '/nowhere' });
  await client.request('claudeCommand', { command: prompt, projectPath: '/nowhere' });
  await client.request('ask', { prompt: content('question'), options: { format: 'text', timeout: 20_000 } });
  await sendBroken('/api/sessions', `{"prompt":"${prompt}"`);
}

async function useFiles(sessionId: string, workingDirectory: string): Promise<void> {
  writeFileSync(join(workingDirectory, 'kept.txt'), content('file'));
  const at = (name: string) => `/api/sessions/${sessionId}/files/${name}`;
  const token = TOKEN;
  expect((await over('GET', at('kept.txt'), { token })).status).toBe(200);
  const write = (method: string, name: string, text: string) =>
    over(method, at(name), { token, body: { content: text, encoding: 'utf8' } });
  await write('PUT', 'new.txt', content('file'));
  await write('POST', 'kept.txt', content('file that is refused'));
  await write('PUT', '..%2Foutside.txt', content('file that is refused'));
  await write('PUT', '.env', content('file that is refused'));
  await sendBroken(at('broken.txt'), `{"content":"${content('file that is refused')}`);
}

describe('after all of it was used in every way', () => {
  beforeAll(async () => {
    world.ntfy.requireToken(secret('NTFY_TOKEN'));
    const token = await obtainCredentials();
    const phone = await registerDevices(token);
    await converse(phone);
    await phone.close();
    for (const text of credentials.values()) {
      await overHttp(text);
      await overTcp(text);
      await overWebSocket(text);
    }
    // A used refresh token: the device is out, and the others are told.
    const refreshToken = secret('refresh token by code');
    expect((await over('POST', '/api/auth/refresh', { body: { refreshToken } })).status).toBe(401);
    await waitUntil('pushes have failed', async () =>
      (await world.deliveries('canary-browser')).some(({ attempts }) => attempts > 0),
    );
    expect(await world.daemon.kill('SIGTERM')).toBe(0);
    written = filesIn(world.daemon.home);
    output = Buffer.from(`${world.daemon.stdout()}\n${world.daemon.stderr()}`);
    // For what the world does at its end.
    await world.daemon.start();
  }, MOST_MS);

  test('there are logs that tell of it', () => {
    const text = (name: string) => String(written.find((file) => file.name === name)?.bytes);
    for (const said of ['"path":"/api/auth/login"', '"path":"/api/sessions"', '"level":"debug"']) {
      expect(text('logs/companion.log')).toContain(said);
    }
    for (const action of ['pair', 'login', 'refresh', 'users', 'approve', 'prompt', 'refused', 'write']) {
      expect(text('logs/audit.log')).toContain(`"action":"${action}"`);
    }
    expect(credentials.size).toBeGreaterThan(18);
  });

  test('S1: no credential is in any file, nor on stdout or stderr', () => {
    const found = [...credentials].flatMap(([name, text]) => {
      expect(text.length).toBeGreaterThan(10);
      return [...filesWith(text), ...(has(printed(), text) ? ['what was printed'] : [])].map(
        (file) => `${name} in ${file}`,
      );
    });
    expect(found).toEqual([]);
  });

  test('S1: where a device is pushed to stands in the registry, and nowhere else', () => {
    for (const [name, text] of addresses) {
      expect({ name, files: filesWith(text) }).toEqual({ name, files: ['registry.json'] });
      expect(has(printed(), text)).toBe(false);
    }
  });

  test('S1: prompts, answers, commands and contents of files are in the journal, in snapshots and with the CLI, and nowhere else', () => {
    const isElsewhere = (name: string) => !/^(journal\.db|run\/|snapshots\/)/.test(name);
    for (const [name, text] of contents) {
      expect({ name, files: filesWith(text).filter(isElsewhere) }).toEqual({ name, files: [] });
      expect(has(printed(), text)).toBe(false);
    }
    // They were there to be found.
    expect(filesWith(content('prompt'))).toContain('journal.db');
  });
});
