/** The sender to ntfy, against a server that takes what ntfy takes. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { PushSender } from '../../services/ports/push.js';
import { createNtfySender, type NtfySenderOptions } from '../../services/push/ntfy/ntfy-sender.js';
import { type NtfyServer, startNtfyServer } from '../support/ntfy-server.js';
import { message, registration } from './support/push-samples.js';

let server: NtfyServer;
let senders: PushSender[];
const device = registration({ platform: 'ntfy', token: 'my-topic' });

beforeEach(async () => {
  server = await startNtfyServer();
  senders = [];
});

afterEach(async () => {
  await Promise.all(senders.map((sender) => sender.close()));
  await server.close();
});

function open(options: Partial<NtfySenderOptions> = {}): PushSender {
  const sender = createNtfySender({
    url: server.url,
    publicUrl: 'https://companion.example/base',
    actions: 'encrypted',
    ...options,
  });
  senders.push(sender);
  return sender;
}

test('a push is published with title, text, priority and link', async () => {
  expect(await open().send(device, message())).toEqual({ kind: 'accepted' });
  expect(server.requests).toMatchObject([
    {
      method: 'POST',
      path: '/',
      authorization: undefined,
      body: {
        topic: 'my-topic',
        title: 'companion',
        message: 'Permission\nBash wants to run',
        priority: 4,
        click: 'claude-companion://session/session-1?seq=7',
      },
    },
  ]);
});

describe('buttons', () => {
  const url = 'https://companion.example/base/api/sessions/session-1/permissions/toolu_01';

  test('S1: are left out without a token of the server, whatever is set', async () => {
    await open({ actions: 'clear' }).send(device, message());
    expect(JSON.stringify(server.requests[0]?.body)).not.toMatch(/token-that|actions/);
  });

  test('S1: with a token deny alone, since the server can read them', async () => {
    server.requireToken('tk_secret');
    await open({ token: 'tk_secret' }).send(device, message());
    expect(server.requests[0]?.body?.actions).toEqual([
      {
        action: 'http',
        label: 'Deny',
        url,
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{"response":"deny","actionToken":"token-that-denies"}',
        clear: true,
      },
    ]);
  });

  test('with PUSH_ACTIONS=clear allow as well', async () => {
    await open({ token: 'tk_secret', actions: 'clear' }).send(device, message());
    const actions = server.requests[0]?.body?.actions as { label: string; body: string }[];
    expect(actions.map(({ label }) => label)).toEqual(['Allow', 'Deny']);
    expect(actions[0]?.body).toBe('{"response":"allow","actionToken":"token-that-allows"}');
  });

  test('are left out when the daemon cannot be reached, and when nothing is asked', async () => {
    await open({ token: 't', publicUrl: undefined }).send(device, message());
    const { permissionId: _none, ...rest } = message({ kind: 'turn_complete' });
    await open({ token: 't' }).send(device, rest);
    for (const { body } of server.requests) expect(body).not.toHaveProperty('actions');
  });
});

test('a withdrawal deletes what was published, and an older server is forgiven that it cannot', async () => {
  const sender = open();
  await sender.send(device, message());
  expect(await sender.send(device, message({ kind: 'withdrawal' }))).toEqual({ kind: 'accepted' });
  const [published, deleted] = server.requests;
  expect(deleted).toMatchObject({ method: 'DELETE', path: `/my-topic/${String(published?.body?.sequence_id)}` });
  server.answer(() => ({ status: 404 }));
  const outcome = await sender.send(device, message({ kind: 'withdrawal' }));
  expect(outcome).toEqual({ kind: 'accepted', note: 'this ntfy server cannot withdraw notifications' });
});

test('a server below a path is found, and a long text is cut for it', async () => {
  const below = await startNtfyServer('/ntfy');
  try {
    const outcome = await open({ url: below.url }).send(device, message({ body: 'é'.repeat(9000) }));
    expect(outcome).toEqual({ kind: 'accepted', note: 'the body was cut' });
    expect(below.requests[0]?.bytes).toBeLessThanOrEqual(4096);
  } finally {
    await below.close();
  }
});

test.each([
  [400, 'failed'],
  [401, 'failed'],
  [403, 'failed'],
  [413, 'failed'],
  [429, 'retry'],
  [500, 'retry'],
  [507, 'retry'],
])('status %i is %s', async (status, kind) => {
  server.answer(() => ({ status, retryAfter: '4' }));
  const sender = open({ token: 'tk_secret' });
  const outcome = await sender.send(device, message());
  expect(outcome).toEqual({ kind, reason: `HTTP ${status}`, ...(kind === 'retry' && { afterMs: 4000 }) });
  expect(sender.problem !== undefined).toBe(status === 401 || status === 403);
  expect(JSON.stringify([outcome, sender.problem])).not.toContain('tk_secret');
  server.answer(() => ({ status: 200 }));
  await sender.send(device, message());
  expect(sender.problem).toBeUndefined();
});

test('no answer, no connection and a redirection are tried again; closing answers what hangs', async () => {
  server.answer(() => 'hang');
  expect(await open({ timeoutMs: 100 }).send(device, message())).toEqual({
    kind: 'retry',
    reason: 'no answer in time',
  });
  const sender = open();
  const pending = sender.send(device, message());
  await sender.close();
  expect(await pending).toEqual({ kind: 'retry', reason: 'closing' });
  server.answer(() => 'drop');
  expect(await open().send(device, message())).toMatchObject({ kind: 'retry' });
  const lost = open({ url: 'http://127.0.0.1:9' });
  expect(await lost.send(device, message())).toMatchObject({ kind: 'retry' });
  expect(lost.problem?.message).toContain('the ntfy server cannot be reached');
});

test.each(['', 'a/b', '../x', 'x'.repeat(65), 'a b'])('O1: %j is no topic', async (token) => {
  expect(await open().send({ ...device, token }, message())).toMatchObject({ kind: 'unregistered' });
  expect(server.requests).toEqual([]);
});
