/** P1: pushes of the real daemon and the real CLI to an ntfy server. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Daemon, startDaemon } from '../support/daemon.js';
import { type NtfyServer, startNtfyServer } from '../support/ntfy-server.js';
import { type ScriptedApi, scenario, startScriptedApi } from '../support/scripted-api.js';
import { connect } from '../support/wire-client.js';

let api: ScriptedApi;
let ntfy: NtfyServer;
let daemon: Daemon;

beforeAll(async () => {
  api = await startScriptedApi();
  ntfy = await startNtfyServer();
  daemon = await startDaemon({
    apiUrl: api.url,
    environment: {
      NTFY_URL: ntfy.url,
      NTFY_TOKEN: 'tk_test',
      PUSH_ACTIONS: 'clear',
      PUBLIC_URL: 'http://127.0.0.1:1',
      ALLOWED_HOSTS: '127.0.0.1',
    },
  });
});

afterAll(async () => {
  await daemon.stop();
  await Promise.all([api.close(), ntfy.close()]);
});

interface Delivery {
  kind: string;
  deviceId: string;
  state: string;
  reason?: string;
}

async function deliveries(deviceId: string): Promise<Delivery[]> {
  const response = await daemon.fetch('/api/push-notifications/deliveries');
  const { deliveries: all } = (await response.json()) as { deliveries: Delivery[] };
  return all.filter((delivery) => delivery.deviceId === deviceId);
}

async function deliveriesWhen(deviceId: string, condition: (found: Delivery[]) => boolean): Promise<Delivery[]> {
  for (const end = performance.now() + 20_000; performance.now() < end; ) {
    const found = await deliveries(deviceId);
    if (condition(found)) return found;
  }
  throw new Error(`it never came true: ${JSON.stringify(await deliveries(deviceId))}`);
}

/** A device that can be pushed to, with a topic of its own name. */
async function register(deviceId: string) {
  const client = await connect(daemon, { deviceId });
  await client.request('registerDevice', { platform: 'ntfy', token: deviceId });
  return client;
}

const endOfTurn = (deviceId: string) => () => ntfy.messages(deviceId).length > 0;

test('P1: a turn that ends while the device is away is pushed, once', async () => {
  const client = await register('away-1');
  const workingDirectory = daemon.project('away');
  await client.request('streamStart', { prompt: scenario({ gate: 'away', text: 'Done.' }), workingDirectory });
  await api.reached('away');
  await client.close();
  api.release('away');
  await daemon.until(endOfTurn('away-1'));
  const [push, ...others] = await deliveriesWhen('away-1', (found) => found.every(({ state }) => state === 'accepted'));
  expect(push).toMatchObject({ kind: 'turn_complete', state: 'accepted' });
  expect(others).toEqual([]);
  expect(ntfy.messages('away-1')).toMatchObject([{ title: 'away', message: expect.stringContaining('Done') }]);
});

test('P1: a device that is connected and acknowledges is not pushed to', async () => {
  const client = await register('here-1');
  const started = await client.request('streamStart', {
    prompt: scenario({ text: 'Done.' }),
    workingDirectory: daemon.project('here'),
  });
  const { sessionId } = started.data;
  const end = await client.waitFor('streamComplete');
  client.send('ack', { sessionId, seq: Number(end.seq) });
  const [push] = await deliveriesWhen('here-1', (found) => found[0]?.state === 'suppressed');
  expect(push).toMatchObject({ kind: 'turn_complete', reason: 'acknowledged' });
  expect(ntfy.messages('here-1')).toEqual([]);
  await client.close();
});

test('P1: a permission is pushed and answered by its action token, and the turn goes on', async () => {
  const client = await register('asked-1');
  const started = await client.request('streamStart', {
    prompt: scenario(
      { gate: 'ask', tools: [{ name: 'Bash', input: { command: 'touch made.txt', description: 'Make it' } }] },
      { text: 'Made.' },
    ),
    workingDirectory: daemon.project('asked'),
  });
  await api.reached('ask');
  await client.close();
  api.release('ask');
  await daemon.until(endOfTurn('asked-1'));
  const [message] = ntfy.messages('asked-1');
  const allow = message?.actions?.find(({ label }) => label === 'Allow');
  const path = new URL(allow?.url ?? '').pathname;
  const answer = (body: string) =>
    fetch(`${daemon.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { actionToken } = JSON.parse(allow?.body ?? '{}') as { actionToken: string };
  expect((await answer(JSON.stringify({ response: 'deny', actionToken }))).status).toBe(401);
  expect((await answer(JSON.stringify({ response: 'allow', actionToken: 'x'.repeat(43) }))).status).toBe(401);
  expect((await answer(allow?.body ?? '')).status).toBe(200);
  expect((await answer(allow?.body ?? '')).status).toBe(409);
  await daemon.until(() => ntfy.messages('asked-1').length > 1);
  expect(ntfy.messages('asked-1')[1]?.message).toContain('Done');
  const found = await deliveriesWhen('asked-1', (all) => all.every(({ state }) => state !== 'sending'));
  expect(found).toMatchObject([
    { kind: 'turn_complete', state: 'accepted' },
    { kind: 'permission', state: 'seen', reason: 'answered' },
  ]);
  expect(started.data.sessionId).toBeDefined();
});

test('P1: a push that a killed daemon owed goes out after the restart, once', async () => {
  const client = await register('killed-1');
  await client.request('streamStart', {
    prompt: scenario({ gate: 'killed', text: 'Done.' }),
    workingDirectory: daemon.project('killed'),
  });
  await api.reached('killed');
  ntfy.answers.push('hang');
  await client.close();
  api.release('killed');
  await daemon.until(endOfTurn('killed-1'));
  await daemon.restart('SIGKILL');
  const [push, ...others] = await deliveriesWhen('killed-1', ([first]) => first?.state === 'accepted');
  expect(push).toMatchObject({ kind: 'turn_complete' });
  expect(others).toEqual([]);
  const [first, second, ...more] = ntfy.messages('killed-1');
  expect(second).toEqual(first);
  expect(more).toEqual([]);
});
