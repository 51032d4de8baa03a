/** The sender to browsers, against a push service that verifies and decrypts. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { PushMessage, PushSender } from '../../services/ports/push.js';
import { PushReach } from '../../services/push/web/push-reach.js';
import { openVapidKeys, type VapidKeySettings } from '../../services/push/web/vapid.js';
import { createWebPushSender, type WebPushSenderOptions } from '../../services/push/web/web-push-sender.js';
import { startWebPushServer, type WebPushServer } from '../support/web-push-server.js';
import { message, registration } from './support/push-samples.js';

const reach = new PushReach({ allowPrivate: true });

let server: WebPushServer;
let folder: string;
let senders: PushSender[];

beforeEach(async () => {
  server = await startWebPushServer();
  folder = mkdtempSync(join(tmpdir(), 'companion-vapid-'));
  senders = [];
});

afterEach(async () => {
  await Promise.all(senders.map((sender) => sender.close()));
  await server.close();
  rmSync(folder, { recursive: true });
});

interface OpenOptions extends Partial<Omit<WebPushSenderOptions, 'opened'>> {
  keys?: VapidKeySettings;
}

/** As a daemon with these settings: the sender, and the key with which browsers subscribe. */
function open({ keys = { file: join(folder, 'vapid.json') }, ...options }: OpenOptions = {}) {
  const opened = openVapidKeys(keys);
  const sender = createWebPushSender({ opened, subject: 'mailto:owner@example.org', ca: server.ca, reach, ...options });
  senders.push(sender);
  const publicKey = 'keys' in opened ? opened.keys.publicKey : undefined;
  server.expectKey(publicKey);
  return Object.assign(sender, { publicKey });
}

const endpointOf = ({ subscription }: WebPushServer) => (JSON.parse(subscription) as { endpoint: string }).endpoint;

const sendTo = (sender: PushSender, endpoint: string) =>
  sender.send(
    registration({ platform: 'web', token: JSON.stringify({ ...JSON.parse(server.subscription), endpoint }) }),
    message(),
  );

const send = (sender: PushSender, one: PushMessage = message()) =>
  sender.send(registration({ platform: 'web', token: server.subscription }), one);

test('a push decrypts to what was sent, with all its tokens, and VAPID verifies', async () => {
  const one = message();
  expect(await send(open(), one)).toEqual({ kind: 'accepted' });
  expect(server.violations).toEqual([]);
  const { title, subtitle, body, options, actionTokens, kind, seq, permissionId, collapseId, badge } = one;
  const content = { title, subtitle, body, options, actionTokens, kind, seq, permissionId, collapseId, badge };
  expect(server.pushes[0]?.payload).toMatchObject(content);
  expect(server.pushes[0]?.headers.urgency).toBe('high');
});

test('a push and its withdrawal have one topic, and another push has another', async () => {
  const sender = open();
  await send(sender);
  await send(sender, message({ kind: 'withdrawal', badge: 0 }));
  await send(sender, message({ collapseId: 'other' }));
  const [first, second, third] = server.pushes;
  expect(second?.payload).toMatchObject({ kind: 'withdrawal', withdraw: message().collapseId, badge: 0 });
  expect(second?.headers.topic).toBe(first?.headers.topic);
  expect(third?.headers.topic).not.toBe(first?.headers.topic);
});

test('a long body is cut so that the service takes it', async () => {
  const outcome = await send(open(), message({ body: 'long 👩‍👩‍👧‍👦 '.repeat(2000) }));
  expect(outcome).toEqual({ kind: 'accepted', note: 'the body was cut' });
  expect(server.violations).toEqual([]);
  expect(server.pushes[0]?.bytes).toBeGreaterThan(4096 - 64);
});

test.each([
  [404, 'unregistered'],
  [410, 'unregistered'],
  [400, 'failed'],
  [413, 'failed'],
  [401, 'failed'],
  [403, 'failed'],
  [429, 'retry'],
  [500, 'retry'],
  [503, 'retry'],
])('status %i is %s', async (status, kind) => {
  server.answer(() => ({ status, retryAfter: '9' }));
  const sender = open();
  const afterMs = kind === 'retry' ? { afterMs: 9000 } : {};
  expect(await send(sender)).toEqual({ kind, reason: `HTTP ${status}`, ...afterMs });
  expect(sender.problem !== undefined).toBe(status === 401 || status === 403);
});

test("a service's own word is the reason, and nothing else that it says", async () => {
  const sender = open();
  server.answer(() => ({ status: 403, body: '{"reason":"VapidPkHashMismatch"}' }));
  expect(await send(sender)).toEqual({ kind: 'failed', reason: 'VapidPkHashMismatch' });
  expect(sender.problem?.message).toContain('VapidPkHashMismatch');
  server.answer(() => ({ status: 400, body: 'a-secret-of-the-browser is wrong' }));
  expect(await send(sender)).toEqual({ kind: 'failed', reason: 'HTTP 400' });
  server.answer(() => ({ status: 201 }));
  await send(sender);
  expect(sender.problem).toBeUndefined();
});

const unreachable = (detail: unknown) => ({ kind: 'retry', reason: 'the push service cannot be reached', detail });

test('S1: every connection that fails has one reason, and the log alone a detail, without the endpoint', async () => {
  server.answer(() => 'hang');
  expect(await send(open({ timeoutMs: 100 }))).toEqual(unreachable('no answer in time'));
  server.answer(() => 'drop');
  expect(await send(open())).toEqual(unreachable('ECONNRESET'));
  const opened = openVapidKeys({ file: join(folder, 'vapid.json') });
  const wary = createWebPushSender({ opened, subject: 'mailto:owner@example.org', reach });
  senders.push(wary);
  expect(await send(wary)).toEqual(unreachable('DEPTH_ZERO_SELF_SIGNED_CERT'));
  const { port } = new URL(endpointOf(server));
  await server.close();
  expect(await send(wary)).toEqual(unreachable('ECONNREFUSED'));
  const nowhere = sendTo(wary, `https://nowhere.invalid:${port}/`);
  expect(await nowhere).toMatchObject(unreachable(expect.stringMatching(/^E/)));
});

test('S1: a redirect is not followed', async () => {
  server.answer(() => ({ status: 307, location: `${endpointOf(server)}/elsewhere` }));
  expect(await send(open())).toEqual({ kind: 'failed', reason: 'HTTP 307' });
  expect(server.pushes).toHaveLength(1);
});

describe('an address that is not public', () => {
  const PRIVATE = unreachable('PRIVATE_ADDRESS');

  test('S1: is not connected to', async () => {
    const sender = open({ reach: new PushReach({ allowPrivate: false }) });
    expect(await send(sender)).toEqual(PRIVATE);
    expect(await sendTo(sender, `https://localhost:${new URL(endpointOf(server)).port}/`)).toEqual(PRIVATE);
    expect(server.connections).toBe(0);
  });

  test('S1: is not connected to by a name that was public when it was registered', async () => {
    const answers = ['93.184.215.14', '127.0.0.1'];
    const rebinding = new PushReach({
      allowPrivate: false,
      lookup: (_host, { all }, done) => {
        const address = answers.shift() ?? '';
        if (all) done(null, [{ address, family: 4 }]);
        else done(null, address, 4);
      },
    });
    const endpoint = `https://rebinding.example:${new URL(endpointOf(server)).port}/`;
    const token = JSON.stringify({ ...JSON.parse(server.subscription), endpoint });
    await rebinding.requirePublic({ platform: 'web', token });
    expect(await sendTo(open({ reach: rebinding }), endpoint)).toEqual(PRIVATE);
    expect(answers).toEqual([]);
    expect(server.connections).toBe(0);
  });

  test.each([
    ['one of several', ['93.184.215.14', '10.0.0.1']],
    ['IPv6', ['fd00::1']],
    ['mapped', ['::ffff:127.0.0.1']],
  ])('S1: refuses a name that resolves to it (%s)', async (_what, addresses) => {
    const known = new PushReach({
      allowPrivate: false,
      lookup: (_host, _options, done) =>
        done(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        ),
    });
    const token = JSON.stringify({ ...JSON.parse(server.subscription), endpoint: 'https://inside.example/' });
    await expect(known.requirePublic({ platform: 'web', token })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      details: { field: 'token' },
    });
  });
});

test('O1: what the daemon cannot sign is its own trouble, and no browser is forgotten for it', async () => {
  const sender = open({ subject: 'nobody' });
  const token = server.subscription;
  expect(await sender.send(registration({ platform: 'web', token }), message())).toMatchObject({ kind: 'failed' });
  expect(sender.problem).toMatchObject({ message: expect.stringContaining('cannot be signed') });
  const subscription = JSON.parse(token) as { keys: { p256dh: string } };
  subscription.keys.p256dh = Buffer.alloc(65, 4).toString('base64url');
  const offCurve = registration({ platform: 'web', token: JSON.stringify(subscription) });
  expect(await open().send(offCurve, message())).toMatchObject({ kind: 'unregistered' });
});

test('closing answers what hangs', async () => {
  server.answer(() => 'hang');
  const sender = open();
  const pending = send(sender);
  await sender.close();
  expect(await pending).toEqual({ kind: 'retry', reason: 'closing' });
  expect(await send(sender)).toEqual({ kind: 'retry', reason: 'closing' });
});

test.each([
  'no JSON',
  '{}',
  '{"endpoint":"http://127.0.0.1/","keys":{"p256dh":"a","auth":"b"}}',
  '{"endpoint":"https://127.0.0.1/","keys":{"p256dh":"a","auth":"b"}}',
])('O1: %s is no subscription', async (token) => {
  const outcome = await open().send(registration({ platform: 'web', token }), message());
  expect(outcome.kind).toBe('unregistered');
});

describe('VAPID keys', () => {
  test('are made by the first start, for the owner alone, and kept', () => {
    const { publicKey } = open();
    expect(Buffer.from(publicKey ?? '', 'base64url')).toHaveLength(65);
    expect(statSync(join(folder, 'vapid.json')).mode & 0o777).toBe(0o600);
    expect(open().publicKey).toBe(publicKey);
  });

  test('of the settings go first', async () => {
    open();
    const file = join(folder, 'vapid.json');
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { publicKey: string; privateKey: string };
    const sender = open({ keys: { ...kept, file: join(folder, 'another.json') } });
    expect(sender.publicKey).toBe(kept.publicKey);
    expect(await send(sender)).toEqual({ kind: 'accepted' });
  });

  test('O1: that do not belong together, lack one, or cannot be read are a problem, and send nothing', async () => {
    const made = (name: string) => {
      open({ keys: { file: join(folder, name) } });
      return JSON.parse(readFileSync(join(folder, name), 'utf8')) as { publicKey: string; privateKey: string };
    };
    const [one, two] = [made('one.json'), made('two.json')];
    mkdirSync(join(folder, 'folder'));
    writeFileSync(join(folder, 'broken.json'), '{"publicKey":');
    const file = join(folder, 'vapid.json');
    const cases: [VapidKeySettings, RegExp][] = [
      [{ publicKey: one.publicKey, privateKey: two.privateKey, file }, /do not belong together/],
      [{ publicKey: one.publicKey, file }, /VAPID_PRIVATE_KEY is not set/],
      [{ privateKey: one.privateKey, file }, /VAPID_PUBLIC_KEY is not set/],
      [{ file: join(folder, 'folder') }, /EISDIR/],
      [{ file: join(folder, 'broken.json') }, /broken\.json/],
    ];
    for (const [keys, said] of cases) {
      const sender = open({ keys });
      expect(sender.problem?.message).toMatch(said);
      expect(JSON.stringify(sender.problem)).not.toContain(one.privateKey);
      expect(await send(sender)).toMatchObject({ kind: 'failed' });
    }
    expect(server.pushes).toEqual([]);
  });
});
