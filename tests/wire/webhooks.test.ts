/** Other programs are told what happens: signed, at least once, and with nothing that was said. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import {
  addedWebhookSchema,
  webhookDeliveriesSchema,
  webhookDeliverySchema,
  webhookSchema,
  webhooksSchema,
} from '../../protocol/webhooks.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { createCertificate } from '../support/certificate.js';
import { addUser, askLocally, askOver, pairDevice } from '../support/identity-world.js';
import { type NtfyServer, startNtfyServer } from '../support/ntfy-server.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { startWebhookServer, verified, type WebhookServer } from '../support/webhook-server.js';
import { useWorld } from '../support/world.js';

const WEBHOOKS = '/api/webhooks';
const certificate = createCertificate(['127.0.0.1']);
const folder = mkdtempSync(join(tmpdir(), 'companion-webhooks-'));
writeFileSync(join(folder, 'ca.pem'), certificate.certificate);

const environment: Record<string, string> = {
  NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
  PUSH_ALLOW_PRIVATE: 'true',
};

let server: WebhookServer;
let ntfy: NtfyServer;
let sessionId = '';

beforeAll(async () => {
  ntfy = await startNtfyServer();
  environment.NTFY_URL = ntfy.url;
});
const world = useWorld({ environment });

beforeAll(async () => {
  server = await startWebhookServer({ certificate });
  const { body } = await ask('POST', '/api/sessions', { workingDirectory: world.daemon.project('site') });
  sessionId = String(body.id);
});
afterEach(async () => {
  server.answer((response) => response.writeHead(204).end());
  const { webhooks } = webhooksSchema.parse((await ask('GET', WEBHOOKS)).body);
  for (const { webhookId } of webhooks) await ask('DELETE', `${WEBHOOKS}/${webhookId}`);
});
afterAll(async () => {
  await Promise.all([server.close(), ntfy.close()]);
  rmSync(folder, { recursive: true });
});

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await world.daemon.fetch(path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: (text ? JSON.parse(text) : {}) as Record<string, unknown>,
  };
}

/** Each test has a path of its own on the server. */
let paths = 0;
async function add(given: object = {}) {
  paths += 1;
  const url = `${server.url}/${paths}`;
  const added = await ask('POST', WEBHOOKS, { url, ...given });
  expect(added.status).toBe(201);
  const webhook = addedWebhookSchema.strict().parse(added.body);
  const received = () => server.received.filter(({ path }) => webhook.url.endsWith(path));
  return { ...webhook, path: `${WEBHOOKS}/${webhook.webhookId}`, received };
}

const deliveriesOf = async (path: string) =>
  webhookDeliveriesSchema.parse((await ask('GET', `${path}/deliveries`)).body).deliveries;

const deliveredAll = (path: string) =>
  waitUntil('all is delivered', async () => (await deliveriesOf(path)).every(({ state }) => state === 'delivered'));

const replayOf = (path: string, deliveryId = '') => `${path}/deliveries/${deliveryId}/replay`;

const prompt = async (text: string, wait = '?wait=true') => {
  const { status, body } = await ask('POST', `/api/sessions/${sessionId}/prompts${wait}`, { prompt: text });
  expect(status).toBeLessThan(300);
  return body;
};

const ASK = { name: 'Read', input: { file_path: '/etc/hostname' } };

describe('a webhook', () => {
  test('P2: is told of a request and of the end of its turn, signed, and in no words of the conversation', async () => {
    const webhook = await add({ description: 'Board' });
    await prompt(scenario({ tools: [ASK], text: 'A secret question.' }, { text: 'A secret answer.' }), '');
    await world.daemon.until(() => webhook.received().length === 1);
    const [asked] = webhook.received();
    const request = asked && verified(webhook.secret, asked);
    const where = { sessionId, seq: expect.any(Number), project: 'site' };
    expect(request).toEqual({
      type: 'permission',
      timestamp: expect.any(String),
      data: { ...where, permissionId: expect.any(String), toolName: 'Read' },
    });
    const permissionId = String(request?.data.permissionId);
    await ask('POST', `/api/sessions/${sessionId}/permissions/${permissionId}`, { response: 'allow' });
    await world.daemon.until(() => webhook.received().length === 2);
    const [, ended] = webhook.received();
    expect(ended && verified(webhook.secret, ended)).toMatchObject({
      type: 'turn_complete',
      data: { ...where, subtype: 'success', isError: false, promptId: expect.any(String) },
    });
    for (const { body, headers } of webhook.received()) {
      expect(body).not.toMatch(/secret|hostname/);
      expect(headers['content-type']).toBe('application/json');
      expect(headers['user-agent']).toMatch(/^claude-companion\//);
    }
    await deliveredAll(webhook.path);
    const [last, first] = await deliveriesOf(webhook.path);
    expect([first?.deliveryId, last?.deliveryId]).toEqual(
      webhook.received().map(({ headers }) => headers['webhook-id']),
    );
    expect(last).toMatchObject({ type: 'turn_complete', sessionId, attempts: 1, lastAttempt: { status: 204 } });
    expect(last).not.toHaveProperty('nextAttemptAt');
  });

  test('is told only what it wants to know, of the sessions that it names', async () => {
    const { body: other } = await ask('POST', '/api/sessions', { workingDirectory: world.daemon.project('other') });
    const wanted = [await add({ events: ['turn_complete'], sessionIds: [sessionId] }), await add({ project: 'site' })];
    const unwanted = [
      await add({ events: ['turn_failed', 'permission'] }),
      await add({ sessionIds: [String(other.id)] }),
      await add({ project: 'other' }),
      await add({ events: ['turn_complete'] }),
    ];
    expect(wanted[1]?.project).toBe(join(world.daemon.root, 'site'));
    const disabled = unwanted.at(-1);
    await ask('PATCH', disabled?.path ?? '', { enabled: false });
    await prompt(scenario({ text: 'Done.' }));
    await world.daemon.until(() => wanted.every(({ received }) => received().length === 1));
    for (const { path } of unwanted) expect(await deliveriesOf(path)).toEqual([]);
  });

  test('P2: gets what it was sent before a crash again, under the same id', async () => {
    const webhook = await add();
    server.answer(() => {
      // It never answers.
    });
    await prompt(scenario({ text: 'Done.' }));
    await world.daemon.until(() => webhook.received().length === 1);
    await world.daemon.kill('SIGKILL');
    server.answer((response) => response.writeHead(200).end('ok'));
    await world.daemon.start();
    await world.daemon.until(() => webhook.received().length === 2);
    const [before, after] = webhook.received();
    expect(after?.headers['webhook-id']).toBe(before?.headers['webhook-id']);
    expect(after?.body).toBe(before?.body);
    expect(after && verified(webhook.secret, after).type).toBe('turn_complete');
    await deliveredAll(webhook.path);
    expect(await deliveriesOf(webhook.path)).toHaveLength(1);
  });

  test('P2: gets what was on record before a crash, and not yet sent', async () => {
    const sockets: Socket[] = [];
    const deaf = createServer((socket) => sockets.push(socket.on('error', () => {})));
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    const { port } = deaf.address() as AddressInfo;
    const webhook = await add({ url: `https://127.0.0.1:${port}/late` });
    await prompt(scenario({ text: 'Done.' }));
    await world.daemon.until(() => sockets.length === 1);
    await world.daemon.kill('SIGKILL');
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => deaf.close(resolve));
    const late = await startWebhookServer({ certificate, port });
    await world.daemon.start();
    await world.daemon.until(() => late.received.length === 1);
    const [only] = late.received;
    expect(only && verified(webhook.secret, only).data).toMatchObject({ sessionId, subtype: 'success' });
    await deliveredAll(webhook.path);
    await late.close();
    expect(late.received).toHaveLength(1);
  });

  test('that answers 410 is disabled at once, with a word, a push and an entry in the audit log', async () => {
    const phone = await world.connect({ deviceId: 'phone' });
    await phone.request('registerDevice', { platform: 'ntfy', token: 'phone' });
    await phone.close();
    const webhook = await add({ description: 'Board' });
    server.answer((response) => response.writeHead(410).end());
    const tested = webhookDeliverySchema.strict().parse((await ask('POST', `${webhook.path}/test`)).body);
    expect(tested).toMatchObject({ type: 'test', state: 'owed', attempts: 0 });
    await waitUntil('it is disabled', async () => (await ask('GET', webhook.path)).body.enabled === false);
    const shown = webhookSchema.strict().parse((await ask('GET', webhook.path)).body);
    expect(shown).toMatchObject({ disabledReason: 'gone', disabledAt: expect.any(String) });
    const [failed] = await deliveriesOf(webhook.path);
    expect(failed).toMatchObject({ state: 'failed', reason: 'gone', lastAttempt: { status: 410, failure: 'status' } });
    await world.daemon.until(() => ntfy.requests.length > 0);
    expect(ntfy.requests.at(-1)?.body).toMatchObject({
      message: expect.stringMatching(/webhook was disabled\n.*Board/),
    });
    const audit = readFileSync(join(world.daemon.home, 'logs', 'audit.log'), 'utf8')
      .trim()
      .split('\n');
    expect(JSON.parse(audit.at(-1) ?? '')).toMatchObject({ action: 'settings', credential: 'daemon' });
    const conflict = { status: 409, body: { error: { code: 'CONFLICT' } } };
    expect(await ask('POST', `${webhook.path}/test`)).toMatchObject(conflict);
    expect(await ask('POST', replayOf(webhook.path, failed?.deliveryId))).toMatchObject(conflict);
    server.answer((response) => response.writeHead(200).end());
    const enabled = await ask('PATCH', webhook.path, { enabled: true });
    expect(enabled.body).toMatchObject({ enabled: true });
    expect(enabled.body).not.toHaveProperty('disabledReason');
    const replayed = await ask('POST', replayOf(webhook.path, failed?.deliveryId));
    expect({ status: replayed.status, body: webhookDeliverySchema.strict().parse(replayed.body) }).toMatchObject({
      status: 202,
      body: { deliveryId: failed?.deliveryId, state: 'owed', attempts: 1 },
    });
    await deliveredAll(webhook.path);
    expect(await deliveriesOf(webhook.path)).toMatchObject([{ deliveryId: failed?.deliveryId, attempts: 2 }]);
    expect(new Set(webhook.received().map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const metrics = await (await world.daemon.fetch('/metrics')).text();
    expect(metrics).toContain('companion_webhook_attempts_total{type="test",outcome="status"} 1');
    expect(metrics).toContain('companion_open_webhook_deliveries 0');
  });

  test('S1: has a secret that is shown once, stands nowhere, and can be replaced', async () => {
    const webhook = await add();
    expect(webhook.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const rotated = await ask('POST', `${webhook.path}/rotate`);
    expect(rotated.status).toBe(200);
    const { secret, previousSecretUntil } = addedWebhookSchema.strict().parse(rotated.body);
    expect(secret).not.toBe(webhook.secret);
    expect(Date.parse(previousSecretUntil ?? '') - Date.now()).toBeGreaterThan(86_000_000);
    await ask('POST', `${webhook.path}/test`);
    await world.daemon.until(() => webhook.received().length === 1);
    const [message] = webhook.received();
    if (!message) throw new Error('nothing was sent');
    expect(message.headers['webhook-signature']?.split(' ')).toHaveLength(2);
    for (const one of [secret, webhook.secret]) expect(verified(one, message).type).toBe('test');
    await deliveredAll(webhook.path);
    const lists = [
      await ask('GET', WEBHOOKS),
      await ask('GET', webhook.path),
      await ask('GET', `${webhook.path}/deliveries`),
    ];
    const shown = JSON.stringify(lists.map(({ body }) => body));
    const files = readdirSync(world.daemon.home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString('latin1'));
    for (const one of [secret, webhook.secret]) {
      const said = one.slice('whsec_'.length);
      expect([shown, ...files].filter((text) => text.includes(said))).toEqual([]);
    }
    const logs = readdirSync(join(world.daemon.home, 'logs'));
    const logged = logs.map((name) => readFileSync(join(world.daemon.home, 'logs', name), 'utf8')).join('');
    expect(logged).not.toContain(new URL(webhook.url).pathname);
  });

  test("S1: is its person's alone, and ends with the person", async () => {
    const mine = await add();
    await addUser(world.daemon, 'ann@example.org');
    const { accessToken: token } = await pairDevice(world.daemon, { user: 'ann@example.org' });
    const theirs = await askOver(world.daemon, 'POST', WEBHOOKS, { token, body: { url: `${server.url}/ann` } });
    expect(theirs.status).toBe(201);
    const path = `${WEBHOOKS}/${String(theirs.body.webhookId)}`;
    const requests: [string, string, object?][] = [
      ['GET', ''],
      ['PATCH', '', { enabled: false }],
      ['DELETE', ''],
      ['POST', '/rotate'],
      ['POST', '/test'],
      ['GET', '/deliveries'],
      ['POST', '/deliveries/msg_1/replay'],
    ];
    for (const [method, rest, body] of requests) {
      expect((await ask(method, path + rest, body)).status).toBe(404);
      const answer = await askOver(world.daemon, method, mine.path + rest, { token, ...(body && { body }) });
      expect({ method, rest, status: answer.status }).toEqual({ method, rest, status: 404 });
    }
    const listed = await askOver(world.daemon, 'GET', WEBHOOKS, { token });
    expect(listed.body).toMatchObject({ total: 1, webhooks: [{ webhookId: theirs.body.webhookId }] });
    const foreign = { url: `${server.url}/ann`, sessionIds: [sessionId] };
    expect((await askOver(world.daemon, 'POST', WEBHOOKS, { token, body: foreign })).status).toBe(404);
    await askLocally(world.daemon, 'DELETE', '/local/users/ann@example.org');
    await world.daemon.kill('SIGTERM');
    const database = openDatabase(join(world.daemon.home, 'journal.db'));
    const left = database.prepare('SELECT webhook_id FROM webhooks').pluck().all();
    database.close();
    await world.daemon.start();
    expect(left).toEqual([mine.webhookId]);
  });

  test('that is deleted is told nothing more', async () => {
    const webhook = await add();
    expect(await ask('DELETE', webhook.path)).toMatchObject({
      status: 200,
      body: { success: true, webhookId: webhook.webhookId },
    });
    expect((await ask('GET', webhook.path)).status).toBe(404);
    const other = await add();
    await prompt(scenario({ text: 'Done.' }));
    await world.daemon.until(() => other.received().length === 1);
    expect(webhook.received()).toEqual([]);
  });

  test('is changed under the version that its reader knows', async () => {
    const webhook = await add({ events: ['limit'], description: 'Board' });
    const etag = (await ask('GET', webhook.path)).headers.get('etag') ?? '';
    const changed = await ask('PATCH', webhook.path, { events: null, description: null }, { 'if-match': etag });
    expect(changed.status).toBe(200);
    const { secret: _secret, path: _path, received: _received, events: _events, description: _was, ...rest } = webhook;
    expect(changed.body).toEqual({ ...rest, updatedAt: expect.any(String) });
    for (const [method, rest, body] of [
      ['PATCH', '', { enabled: false }],
      ['DELETE', ''],
      ['POST', '/rotate'],
    ] as const)
      expect((await ask(method, webhook.path + rest, body, { 'if-match': etag })).status).toBe(412);
    expect((await ask('GET', webhook.path)).body).toEqual(changed.body);
  });
});

describe('the list of webhooks', () => {
  test('has pages by offset and by cursor, and ends at twenty', async () => {
    const made = [];
    for (let count = 0; count < 20; count += 1) made.push((await add()).webhookId);
    const ids = (body: object) => webhooksSchema.parse(body).webhooks.map(({ webhookId }) => webhookId);
    const first = await ask('GET', `${WEBHOOKS}?limit=15`);
    const second = await ask('GET', `${WEBHOOKS}?limit=15&cursor=${String(first.body.nextCursor)}`);
    const behind = await ask('GET', `${WEBHOOKS}?limit=15&offset=15`);
    expect([...ids(first.body), ...ids(second.body)].sort()).toEqual(made.sort());
    expect(ids(behind.body)).toEqual(ids(second.body));
    expect(await ask('POST', WEBHOOKS, { url: server.url })).toMatchObject({
      status: 409,
      body: { error: { code: 'CONFLICT' } },
    });
  });
});

const URLS = [
  '',
  'nowhere',
  'ftp://example.org/',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'https://',
  'https://user@example.org/',
  'https://user:word@example.org/',
  'https://example.org/#part',
  'https://example.org/#',
  `https://example.org/${'x'.repeat(2048)}`,
  7,
  null,
];

const REFUSED = [
  ...URLS.map((url) => [{ url }, 'url'] as const),
  [{}, 'url'],
  ...[[], 'limit', ['nothing'], ['limit', 'limit'], ['test'], [null]].map(
    (events) => [{ url: 'https://example.org/', events }, 'events'] as const,
  ),
  ...[[], [''], 'x', Array(101).fill('x')].map(
    (sessionIds) => [{ url: 'https://example.org/', sessionIds }, 'sessionIds'] as const,
  ),
  [{ url: 'https://example.org/', project: '' }, 'project'],
  [{ url: 'https://example.org/', project: 'site', sessionIds: ['x'] }, 'project'],
  [{ url: 'https://example.org/', description: 'two\nlines' }, 'description'],
  [{ url: 'https://example.org/', description: 'x'.repeat(101) }, 'description'],
  [{ url: 'https://example.org/', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }, 'secret'],
  [{ url: 'https://example.org/', enabled: false }, 'enabled'],
].map(([body, field]) => [field, body] as const);

describe('O1: a webhook is refused by the field that breaks a rule, and nothing changes', () => {
  test.each(REFUSED)('%s (%#)', async (field, body) => {
    const answer = await ask('POST', WEBHOOKS, body);
    const { details } = answer.body.error as { details: { field: string; rule: string } };
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'INVALID_REQUEST' } } });
    expect(details.field.split(/[.[]/)[0]).toBe(field);
    expect(details.rule).toMatch(/./);
    expect((await ask('GET', WEBHOOKS)).body.total).toBe(0);
  });

  test('a change, and what names something that is not there', async () => {
    const webhook = await add();
    const before = (await ask('GET', webhook.path)).body;
    const changes: [object, string][] = [
      [{ url: 'nowhere' }, 'url'],
      [{ events: [] }, 'events'],
      [{ enabled: 'yes' }, 'enabled'],
      [{ description: '' }, 'description'],
      [{ sessionIds: [sessionId] }, 'sessionIds'],
      [{ url: 'https://example.org/', other: 1 }, 'other'],
    ];
    for (const [body, field] of changes) {
      expect(await ask('PATCH', webhook.path, body)).toMatchObject({
        status: 400,
        body: { error: { code: 'INVALID_REQUEST', details: { field } } },
      });
    }
    expect((await ask('PATCH', webhook.path, {})).status).toBe(400);
    const unknown = [
      await ask('POST', WEBHOOKS, { url: server.url, sessionIds: ['nothing'] }),
      await ask('POST', WEBHOOKS, { url: server.url, project: 'nothing' }),
      await ask('POST', `${webhook.path}/deliveries/msg_nothing/replay`),
    ];
    expect(unknown.map(({ status, body }) => [status, (body.error as { code: string }).code])).toEqual([
      [404, 'SESSION_NOT_FOUND'],
      [404, 'PROJECT_NOT_FOUND'],
      [404, 'NOT_FOUND'],
    ]);
    expect((await ask('GET', webhook.path)).body).toEqual(before);
    expect((await ask('GET', WEBHOOKS)).body.total).toBe(1);
  });
});
