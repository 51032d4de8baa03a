/** Messages of webhooks are sent by the thread that sends pushes, which can be absent, die or end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SenderThread } from '../../services/push/sending/sender-thread.js';
import { waitUntil } from '../support/wait-until.js';
import { startWebhookServer, type WebhookServer } from '../support/webhook-server.js';

const BUILT = join(import.meta.dirname, '../../dist/server/sender-worker.js');
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let folder: string;
let server: WebhookServer;
let threads: SenderThread[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'companion-thread-'));
  server = await startWebhookServer();
  threads = [];
});
afterEach(async () => {
  await Promise.all(threads.map((thread) => thread.close()));
  await server.close();
  rmSync(folder, { recursive: true });
});

function open({ script = BUILT, allowPrivate = true } = {}) {
  const opened = { problem: { message: 'none', remedy: 'none' } };
  const web = { opened, subject: 'mailto:owner@example.org', allowPrivate };
  const webhooks = { userAgent: 'test', ca: server.ca, allowPrivate };
  const thread = new SenderThread({
    script,
    settings: { apns: undefined, ntfy: undefined, web, webhooks },
    log: silent,
  });
  threads.push(thread);
  return thread;
}

const message = () => ({ url: server.url, headers: { 'webhook-id': 'msg_1' }, body: '{}' });

test('a message is sent, and its answer comes back', async () => {
  const thread = open();
  server.answer((response) => response.writeHead(503, { 'retry-after': '7' }).end());
  expect(await thread.post(message())).toEqual({ kind: 'answered', status: 503, retryAfter: '7' });
  expect(server.received).toMatchObject([{ body: '{}', headers: { 'webhook-id': 'msg_1', 'user-agent': 'test' } }]);
});

test('S1: the thread connects to no address that is not public', async () => {
  const answer = await open({ allowPrivate: false }).post(message());
  expect(answer).toEqual({ kind: 'failed', failure: 'private_address', detail: 'PRIVATE_ADDRESS' });
  expect(server.connections).toBe(0);
});

test('a thread that cannot be started, or dies, is a failure of the daemon', async () => {
  const missing = open({ script: join(folder, 'missing.mjs') });
  expect(await missing.post(message())).toMatchObject({ kind: 'failed', failure: 'internal' });
  expect(await missing.post(message())).toMatchObject({ kind: 'failed', failure: 'internal' });
  const script = join(folder, 'mortal.mjs');
  writeFileSync(
    script,
    `import { parentPort } from 'node:worker_threads';
     parentPort.on('message', () => { throw new Error('dead'); });`,
  );
  expect(await open({ script }).post(message())).toMatchObject({ kind: 'failed', failure: 'internal' });
  expect(server.received).toEqual([]);
});

test('the end of the thread cuts a message off, and none is sent behind it', async () => {
  const thread = open();
  server.answer(() => {});
  const cut = thread.post(message());
  await waitUntil('it is asked', () => server.received.length === 1);
  await thread.close();
  expect(await cut).toEqual({ kind: 'closed' });
  expect(await thread.post(message())).toEqual({ kind: 'closed' });
  expect(server.received).toHaveLength(1);
});
