/** P1: pushes of the real daemon and the real CLI to a push service of browsers, without a setting for it. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Daemon, startDaemon } from '../support/daemon.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { startWebPushServer, type WebPushServer } from '../support/web-push-server.js';
import { connect } from '../support/wire-client.js';

let api: ScriptedApi;
let browser: WebPushServer;
let daemon: Daemon;
let folder: string;

beforeAll(async () => {
  api = await startScriptedApi();
  browser = await startWebPushServer();
  folder = mkdtempSync(join(tmpdir(), 'companion-push-'));
  writeFileSync(join(folder, 'ca.pem'), browser.ca);
  const environment = { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'), PUSH_ALLOW_PRIVATE: 'true' };
  daemon = await startDaemon({ apiUrl: api.url, environment });
});

afterAll(async () => {
  await daemon.stop();
  await Promise.all([api.close(), browser.close()]);
  rmSync(folder, { recursive: true });
});

const pushHealth = async () => {
  const { checks } = (await (await daemon.fetch('/health')).json()) as { checks: { push: string } };
  return checks.push;
};

const vapidKey = async () => {
  const response = await daemon.fetch('/api/push-notifications/vapid-key');
  return ((await response.json()) as { publicKey: string }).publicKey;
};

const ASK = { name: 'Read', input: { file_path: '/etc/hostname' } };

test('P1: a browser that subscribes with the key of the first start is pushed a request, and answers it', async () => {
  expect(await pushHealth()).toBe('off');
  browser.expectKey(await vapidKey());
  const client = await connect(daemon, { deviceId: 'tab' });
  await client.request('registerDevice', { platform: 'web', token: browser.subscription });
  expect(await pushHealth()).toBe('ok');
  const prompt = scenario({ gate: 'asked', tools: [ASK] }, { text: 'Made.' });
  const { data } = await client.request('streamStart', { prompt, workingDirectory: daemon.project('site') });
  await api.reached('asked');
  await client.close();
  api.release('asked');
  await daemon.until(() => browser.pushes.length === 1);
  const [asked] = browser.pushes;
  expect(asked?.payload).toMatchObject({ kind: 'permission', title: 'site', sessionId: data.sessionId, badge: 1 });
  expect(asked?.headers.urgency).toBe('high');
  const { permissionId, actionTokens } = (asked?.payload ?? {}) as {
    permissionId: string;
    actionTokens: { allow: string };
  };
  const answered = await fetch(`${daemon.url}/api/sessions/${data.sessionId}/permissions/${permissionId}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ response: 'allow', actionToken: actionTokens.allow }),
  });
  expect(answered.status).toBe(200);
  await daemon.until(() => browser.pushes.length === 2);
  expect(browser.pushes[1]?.payload).toMatchObject({ kind: 'turn_complete', badge: 0 });
  expect(browser.violations).toEqual([]);
});

test('the keys are kept for their owner alone, and are the same after a restart', async () => {
  const before = await vapidKey();
  expect(statSync(join(daemon.home, 'vapid.json')).mode & 0o777).toBe(0o600);
  await daemon.restart('SIGTERM');
  expect(await vapidKey()).toBe(before);
});

test('P1: a subscription that the push service does not know any more ends', async () => {
  browser.answer(() => ({ status: 410 }));
  const send = () =>
    daemon.fetch('/api/push-notifications/test', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ deviceId: 'tab' }),
    });
  expect((await send()).status).toBe(202);
  let status = 202;
  await waitUntil('there is nothing left to send to', async () => {
    ({ status } = await send());
    return status !== 202;
  });
  expect(status).toBe(409);
  expect(await pushHealth()).toBe('off');
});
