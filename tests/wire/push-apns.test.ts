/** P1: pushes of the real daemon and the real CLI to a server that answers as Apple's does. */
import { createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCli } from '../../cli/run-cli.js';
import { DEVICE_TOKEN, tokenKey } from '../push/support/push-samples.js';
import { type ApnsServer, KEY_ID, startApnsServer, TEAM_ID, TOPIC } from '../support/apns-server.js';
import { type Daemon, startDaemon } from '../support/daemon.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { connect } from '../support/wire-client.js';

let api: ScriptedApi;
let apns: ApnsServer;
let daemon: Daemon;
let folder: string;

beforeAll(async () => {
  api = await startScriptedApi();
  const { publicKey, pem } = tokenKey();
  apns = await startApnsServer({ publicKey });
  folder = mkdtempSync(join(tmpdir(), 'companion-push-'));
  writeFileSync(join(folder, 'key.p8'), pem);
  writeFileSync(join(folder, 'ca.pem'), apns.ca);
  daemon = await startDaemon({
    apiUrl: api.url,
    environment: {
      APNS_KEY_FILE: join(folder, 'key.p8'),
      APNS_KEY_ID: KEY_ID,
      APNS_TEAM_ID: TEAM_ID,
      APNS_TOPIC: TOPIC,
      APNS_ADDRESS: apns.address,
      APNS_PORT: String(apns.port),
      APNS_CA_FILE: join(folder, 'ca.pem'),
    },
  });
});

afterAll(async () => {
  await daemon.stop();
  await Promise.all([api.close(), apns.close()]);
  rmSync(folder, { recursive: true });
});

interface Content {
  title: string;
  actionTokens: Record<string, string>;
}

/** What the app's notification extension reads. */
function unseal(sealed: unknown, key: Buffer): Content {
  const bytes = Buffer.from(String(sealed), 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  const text = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString();
  return JSON.parse(text) as Content;
}

test('P1: what Apple cannot read tells the person what waits, and its button answers it', async () => {
  const key = randomBytes(32);
  const client = await connect(daemon, { deviceId: 'phone' });
  await client.request('registerDevice', {
    platform: 'ios',
    token: DEVICE_TOKEN,
    encryptionKey: key.toString('base64'),
  });
  const { data } = await client.request('streamStart', {
    prompt: scenario(
      { gate: 'ask', tools: [{ name: 'Bash', input: { command: 'touch made.txt', description: 'Make it' } }] },
      { text: 'Made.' },
    ),
    workingDirectory: daemon.project('sealed'),
  });
  await api.reached('ask');
  await client.close();
  api.release('ask');
  await daemon.until(() => apns.accepted.length > 0);
  const [request] = apns.accepted;
  expect(JSON.stringify(request?.payload)).not.toContain('sealed');
  const { title, actionTokens } = unseal(request?.payload.enc, key);
  expect(title).toBe('sealed');
  expect(Object.keys(actionTokens).sort()).toEqual(['allow', 'deny']);
  const path = `/api/sessions/${data.sessionId}/permissions/${String(request?.payload.permissionId)}`;
  const answered = await fetch(`${daemon.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ response: 'deny', actionToken: actionTokens.deny }),
  });
  expect(await answered.json()).toMatchObject({ success: true, decision: 'deny' });
  await daemon.until(() => apns.accepted.length > 1);
  expect(apns.accepted[1]?.payload).toMatchObject({ kind: 'turn_complete' });
  expect(apns.violations).toEqual([]);
});

test('P1: a budget that is used up is pushed beside the result of its turn', async () => {
  const before = apns.accepted.length;
  const client = await connect(daemon, { deviceId: 'phone' });
  const usage = { input_tokens: 1, output_tokens: 99 };
  const prompt = scenario({ text: 'Spent.', gate: 'spend', fields: { usage } });
  const { data } = await client.request('streamStart', { prompt, workingDirectory: daemon.project('spent') });
  await api.reached('spend');
  const { sessionId } = data;
  const made = await daemon.fetch('/api/budgets', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ of: 'session', sessionId, period: 'always', tokens: 100, stop: true }),
  });
  expect(made.status).toBe(201);
  await client.close();
  api.release('spend');
  const pushed = () => apns.accepted.slice(before).map(({ payload }) => payload);
  await daemon.until(() => pushed().length >= 2);
  expect(new Set(pushed().map(({ kind }) => kind))).toEqual(new Set(['budget', 'turn_complete']));
  expect(pushed().find(({ kind }) => kind === 'budget')).toMatchObject({ sessionId });
  expect(apns.violations).toEqual([]);
});

test('P1: a registration that Apple has ended is over, and a newer one is not', async () => {
  apns.behave(() => ({ kind: 'refuse', status: 410, reason: 'Unregistered', timestamp: Date.now() - 3_600_000 }));
  const push = () =>
    daemon.fetch('/api/push-notifications/test', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ deviceId: 'phone' }),
    });
  const failures = async () => {
    const response = await daemon.fetch('/api/push-notifications/deliveries');
    const { deliveries } = (await response.json()) as { deliveries: { kind: string; state: string; reason: string }[] };
    return deliveries.filter(({ kind, state }) => kind === 'test' && state === 'failed').map(({ reason }) => reason);
  };
  const failed = (count: number) =>
    waitUntil(`${count} pushes have failed`, async () => (await failures()).length === count);
  expect((await push()).status).toBe(202);
  await failed(1);
  apns.behave(() => ({ kind: 'refuse', status: 410, reason: 'Unregistered', timestamp: Date.now() + 3_600_000 }));
  expect((await push()).status).toBe(202);
  await failed(2);
  expect(await failures()).toEqual(['Unregistered', 'Unregistered']);
  expect((await push()).status).toBe(409);
});

test('a key that cannot be read makes pushes degraded, and says what to do', async () => {
  const other = await startDaemon({
    apiUrl: api.url,
    environment: { APNS_KEY_FILE: join(folder, 'no-key.p8'), APNS_KEY_ID: KEY_ID, APNS_TEAM_ID: TEAM_ID },
  });
  const response = await other.fetch('/health');
  expect(await response.json()).toMatchObject({
    status: 'degraded',
    checks: { push: 'degraded' },
    remedies: { push: expect.stringContaining('APNS_KEY_FILE') },
  });
  const said: string[] = [];
  const output = { columns: 80, write: (text: string) => said.push(text) };
  const io = { stdin: Object.assign(new PassThrough(), { isTTY: false }), stdout: output, stderr: output };
  const args = ['doctor', '--json'];
  expect(await runCli({ args, io: { ...io, onInterrupt: () => () => {} } as never, home: other.home })).toBe(1);
  const { ok, checks } = JSON.parse(said.join('')) as { ok: boolean; checks: { name: string }[] };
  expect(ok).toBe(false);
  expect(checks.find(({ name }) => name === 'push')).toEqual({
    name: 'push',
    ok: false,
    verdict: 'degraded',
    remedy: expect.stringContaining('APNS_KEY_FILE'),
  });
  await other.stop();
});
