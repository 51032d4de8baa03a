/** The sender to Apple, against a server that speaks like Apple's. */
import { describe, expect, test } from '@jest/globals';
import { TOPIC } from '../support/apns-server.js';
import { countOf } from '../support/counts.js';
import { meanings, refusalFor } from './support/apns-answers.js';
import { useApns } from './support/apns-stage.js';
import { DEVICE_TOKEN, message, registration } from './support/push-samples.js';

const apns = useApns();

/** Not a multiple of three: every third of them is met. */
const BURST = countOf({ full: 200, fast: 20 });

test('a push arrives with the headers and the payload that Apple asks for', async () => {
  const outcome = await apns.sender().send(registration(), message({ expiresAt: 1_900_000_000_500 }));
  expect(apns.production.violations).toEqual([]);
  const [request] = apns.production.requests;
  expect(outcome).toEqual({ kind: 'accepted', id: request?.headers['apns-id'] });
  expect(request?.token).toBe(DEVICE_TOKEN);
  expect(request?.headers).toMatchObject({
    'apns-topic': TOPIC,
    'apns-push-type': 'alert',
    'apns-priority': '10',
    'apns-collapse-id': 'permission-toolu_01',
    'apns-expiration': '1900000000',
  });
  expect(request?.payload.aps).toMatchObject({
    alert: { title: 'companion', subtitle: 'Permission', body: 'Bash wants to run' },
    badge: 2,
    category: 'PERMISSION_REQUEST',
    'thread-id': 'session-1',
    'interruption-level': 'time-sensitive',
    'mutable-content': 1,
  });
});

test('a withdrawal is a background push with the badge', async () => {
  await apns.sender().send(registration(), message({ kind: 'withdrawal', badge: 0 }));
  expect(apns.production.violations).toEqual([]);
  const [request] = apns.production.requests;
  expect(request?.headers).toMatchObject({ 'apns-push-type': 'background', 'apns-priority': '5' });
  expect(request?.payload).toMatchObject({
    aps: { 'content-available': 1, badge: 0 },
    withdraw: 'permission-toolu_01',
    badge: 0,
  });
});

test('one session and one provider token serve all pushes of an environment', async () => {
  const sender = apns.sender();
  await sender.send(registration(), message());
  // A busy machine takes a while for each: as many at once as are answered long before their time is over.
  for (let batch = 0; batch < 10; batch += 1)
    await Promise.all(Array.from({ length: 20 }, () => sender.send(registration(), message())));
  expect(apns.production.accepted).toHaveLength(201);
  expect(apns.production.sessions()).toBe(1);
  expect(apns.production.providerTokens.size).toBe(1);
  expect(apns.sandbox.sessions()).toBe(0);
});

const PROBLEMATIC = new Set([
  'BadTopic',
  'MissingTopic',
  'TopicDisallowed',
  'BadCertificate',
  'BadCertificateEnvironment',
  'BadEnvironmentKeyIdInToken',
  'BadEnvironmentKeyInToken',
  'ExpiredProviderToken',
  'Forbidden',
  'InvalidProviderToken',
  'MissingProviderToken',
  'UnrelatedKeyIdInToken',
]);

describe.each(meanings)("Apple's %s", (reason, kind) => {
  const refusal = refusalFor(reason);

  test(`alone is ${kind}, with the reason in Apple's word`, async () => {
    const sender = apns.sender();
    for (const server of [apns.production, apns.sandbox]) server.behave(() => refusal);
    expect(await sender.send(registration(), message())).toMatchObject({ kind, reason });
    expect(sender.problem !== undefined).toBe(PROBLEMATIC.has(reason));
    expect(apns.production.violations).toEqual([]);
    apns.production.behave(() => ({ kind: 'accept' }));
    expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
    expect(sender.problem).toBeUndefined();
  });

  test(`in a burst of ${BURST} is ${kind} for each that it meets, and no other`, async () => {
    const sender = apns.sender();
    const isMet = (index: number) => index % 3 === 0;
    const behave = (request: { payload: Record<string, unknown> }) =>
      isMet(Number(request.payload.pushId)) ? refusal : ({ kind: 'accept' } as const);
    for (const server of [apns.production, apns.sandbox]) server.behave(behave);
    const outcomes = await Promise.all(
      Array.from({ length: BURST }, (_, index) => sender.send(registration(), message({ pushId: String(index) }))),
    );
    outcomes.forEach((outcome, index) => {
      expect(outcome).toMatchObject(isMet(index) ? { kind, reason } : { kind: 'accepted' });
    });
    expect(apns.production.accepted).toHaveLength(Math.floor((BURST * 2) / 3));
  });
});

test('of a device that is gone, the time since when is told', async () => {
  apns.production.behave(() => ({ kind: 'refuse', status: 410, reason: 'Unregistered', timestamp: 1_700_000_123_456 }));
  const outcome = await apns.sender().send(registration(), message());
  expect(outcome).toEqual({ kind: 'unregistered', reason: 'Unregistered', since: 1_700_000_123_456 });
});

test.each([
  [429, 'TooManyRequests', '7', 7000],
  [503, 'ServiceUnavailable', '120', 120_000],
  [503, undefined, '3', 3000],
  [429, 'TooManyProviderTokenUpdates', undefined, 1_200_000],
])('%i %s with Retry-After %s is tried again after %s ms, and not before by itself', async (...row) => {
  const [status, reason, retryAfter, afterMs] = row;
  apns.production.behave(() => ({
    kind: 'refuse',
    status,
    ...(reason !== undefined && { reason }),
    ...(retryAfter !== undefined && { retryAfter }),
  }));
  const outcome = await apns.sender().send(registration(), message());
  expect(outcome).toEqual({ kind: 'retry', reason: reason ?? `HTTP ${status}`, afterMs });
  expect(apns.production.requests).toHaveLength(1);
});

describe('a mix-up of production and sandbox', () => {
  test.each(['BadDeviceToken', 'BadEnvironmentKeyInToken', 'BadEnvironmentKeyIdInToken'] as const)(
    'that Apple tells by %s is tried once the other way, and corrected',
    async (reason) => {
      apns.production.behave(() => refusalFor(reason));
      const outcome = await apns.sender().send(registration(), message());
      expect(outcome).toMatchObject({ kind: 'accepted', environment: 'sandbox' });
      expect([apns.production.requests.length, apns.sandbox.requests.length]).toEqual([1, 1]);
    },
  );

  test('is none where the registration is right', async () => {
    const outcome = await apns.sender().send(registration({ environment: 'sandbox' }), message());
    expect(outcome).not.toHaveProperty('environment');
    expect(apns.production.requests).toEqual([]);
  });

  test('that cannot be told because the other way is out of order is tried again', async () => {
    apns.production.behave(() => ({ kind: 'refuse', status: 400, reason: 'BadDeviceToken' }));
    apns.sandbox.behave(() => ({ kind: 'refuse', status: 503, reason: 'Shutdown', retryAfter: '5' }));
    const outcome = await apns.sender().send(registration(), message());
    expect(outcome).toEqual({ kind: 'retry', reason: 'Shutdown', afterMs: 5000 });
  });

  test('is not looked for where one server stands for both', async () => {
    const { production } = apns;
    production.behave(() => ({ kind: 'refuse', status: 400, reason: 'BadDeviceToken' }));
    const sender = apns.sender({ endpoints: { production, sandbox: production } });
    expect(await sender.send(registration(), message())).toMatchObject({ kind: 'unregistered' });
    expect(production.requests).toHaveLength(1);
  });
});

describe('a provider token that Apple calls expired', () => {
  test('is renewed, and the push is sent once more', async () => {
    let isFirst = true;
    apns.production.behave(() => {
      if (!isFirst) return { kind: 'accept' };
      isFirst = false;
      return { kind: 'refuse', status: 403, reason: 'ExpiredProviderToken' };
    });
    const sender = apns.sender();
    expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
    expect(apns.production.requests).toHaveLength(2);
    expect(apns.production.providerTokens.size).toBe(2);
    expect(sender.problem).toBeUndefined();
  });

  test('twice is not hammered at: again in 20 minutes, and the clock is to be looked at', async () => {
    apns.production.behave(() => ({ kind: 'refuse', status: 403, reason: 'ExpiredProviderToken' }));
    const sender = apns.sender();
    const outcome = await sender.send(registration(), message());
    expect(outcome).toEqual({ kind: 'retry', reason: 'ExpiredProviderToken', afterMs: 1_200_000 });
    expect(apns.production.requests).toHaveLength(2);
    expect(sender.problem?.remedy).toMatch(/clock/);
  });
});

describe('a registration that cannot be sent to', () => {
  test.each(['', 'zz', 'abc', '../../3/device/aa', `${DEVICE_TOKEN}?x=1`])('O1: token %j is void', async (token) => {
    expect(await apns.sender().send(registration({ token }), message())).toMatchObject({ kind: 'unregistered' });
    expect(apns.production.sessions()).toBe(0);
  });

  test.each(['', 'a b', 'a\r\nb: c'])('O1: bundle id %j is refused', async (bundleId) => {
    const outcome = await apns.sender().send(registration({ bundleId }), message());
    expect(outcome).toEqual({ kind: 'failed', reason: 'bundleId is not a bundle id' });
  });

  test('O1: without a bundle id, and none in the settings, is told so', async () => {
    const outcome = await apns.sender({ topic: undefined }).send(registration(), message());
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('APNS_TOPIC') });
  });

  test('S1: with an invalid encryption key is never sent in clear', async () => {
    const outcome = await apns.sender().send(registration({ encryptionKey: 'c2hvcnQ=' }), message());
    expect(outcome).toEqual({ kind: 'failed', reason: 'encryptionKey is not 32 bytes in base64' });
    expect(apns.production.sessions()).toBe(0);
  });
});

test('a server that is not there, or is not trusted, is a problem until one answers', async () => {
  const { production, sandbox } = apns;
  const gone = { address: '127.0.0.1', port: 9 };
  const sender = apns.sender({ endpoints: { production: gone, sandbox } });
  expect(await sender.send(registration(), message())).toEqual({ kind: 'retry', reason: 'ECONNREFUSED' });
  expect(sender.problem?.message).toContain('ECONNREFUSED');
  const wary = apns.sender({ caFile: undefined, endpoints: { production, sandbox } });
  expect(await wary.send(registration(), message())).toMatchObject({ kind: 'retry' });
  expect(wary.problem?.remedy).toContain('APNS_CA_FILE');
});
