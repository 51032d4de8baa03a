/** P1: pushes of the real daemon and the real CLI to an ntfy server. */
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { runCli } from '../../cli/run-cli.js';
import { usePushWorld } from '../support/push-world.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import { connect } from '../support/wire-client.js';

const world = usePushWorld();
const open = useSharedSession(world);
const openAnother = useSharedSession(world);

const ASK = { name: 'Read', input: { file_path: '/etc/hostname' } };

interface Begun {
  deviceId: string;
  /** The gate at which the turn waits. */
  name: string;
  steps?: Parameters<typeof scenario>;
}

/** A registered device that has begun a turn, which waits at its gate. */
async function begin({ deviceId, name, steps = [{ text: 'Done.' }] }: Begun) {
  const client = await world.register(deviceId);
  const [first, ...others] = steps;
  const { sessionId, directory } = await open(client);
  await client.request('streamSend', { sessionId, prompt: scenario({ ...first, gate: name }, ...others) });
  await world.api.reached(name);
  return { client, sessionId, directory };
}

/** The same, and the device is gone before the turn goes on. */
async function beginAndLeave(begun: Begun) {
  const { client, ...session } = await begin(begun);
  await client.close();
  world.api.release(begun.name);
  return session;
}

test('P1: a turn that ends while the device is away is pushed, once', async () => {
  const { directory } = await beginAndLeave({ deviceId: 'away-1', name: 'away' });
  await world.pushed('away-1');
  const found = await world.deliveriesWhen('away-1', ([first]) => first?.state === 'accepted');
  expect(found).toMatchObject([{ kind: 'turn_complete', attempts: 1 }]);
  expect(found[0]?.history.map(({ state }) => state)).toEqual(['owed', 'sending', 'accepted']);
  expect(world.messages('away-1')).toMatchObject([
    { title: basename(directory), message: expect.stringContaining('Done') },
  ]);
  const back = await connect(world.daemon, { deviceId: 'away-1' });
  const end = await back.waitFor('streamComplete');
  back.send('ack', { sessionId: String(end.sessionId), seq: Number(end.seq) });
  expect(await world.deliveriesWhen('away-1', ([first]) => first?.state === 'seen')).toHaveLength(1);
  await back.close();
});

test('P1: the turn that a task in the background begins with its end is pushed as a result', async () => {
  const command = 'until [ -e go ]; do sleep 0.05; done';
  const tools = [{ name: 'Bash', input: { command, description: 'Wait', run_in_background: true } }];
  const steps = [{ tools }, { text: 'Started.' }, { text: 'The task has ended.' }];
  const { client, sessionId, directory } = await begin({ deviceId: 'tasks-1', name: 'tasks', steps });
  world.api.release('tasks');
  const first = await client.waitFor('streamComplete');
  client.send('ack', { sessionId, seq: Number(first.seq) });
  await client.close();
  writeFileSync(join(directory, 'go'), '');
  const found = await world.deliveriesWhen('tasks-1', ([newest]) => newest?.state === 'accepted');
  expect(found).toMatchObject([
    { kind: 'turn_complete', state: 'accepted' },
    { kind: 'turn_complete', state: 'suppressed', reason: 'acknowledged' },
  ]);
});

test('P1: a device that is connected and acknowledges is not pushed to', async () => {
  const { client, sessionId } = await begin({ deviceId: 'here-1', name: 'here' });
  world.api.release('here');
  const end = await client.waitFor('streamComplete');
  client.send('ack', { sessionId, seq: Number(end.seq) });
  const [push] = await world.deliveriesWhen('here-1', ([first]) => first?.state === 'suppressed');
  expect(push).toMatchObject({ kind: 'turn_complete', reason: 'acknowledged' });
  expect(world.messages('here-1')).toEqual([]);
  await client.close();
});

test('P1: a device that goes to the background is owed at once what it has not acknowledged', async () => {
  const { client } = await begin({ deviceId: 'pocket-1', name: 'pocket' });
  world.api.release('pocket');
  await client.waitFor('streamComplete');
  expect(await world.deliveries('pocket-1')).toMatchObject([{ state: 'owed' }]);
  expect((await client.request('clientBackgrounding', {})).data).toMatchObject({ state: 'background' });
  const [push] = await world.deliveriesWhen('pocket-1', ([first]) => first?.state === 'accepted');
  const [owed, sending] = push?.history ?? [];
  expect(Date.parse(sending?.at ?? '') - Date.parse(owed?.at ?? '')).toBeLessThan(10_000);
  await client.close();
});

test('P1: a permission is pushed and answered by its action token, and the turn goes on', async () => {
  await beginAndLeave({ deviceId: 'asked-1', name: 'asked', steps: [{ tools: [ASK] }, { text: 'Made.' }] });
  await world.pushed('asked-1');
  const [message] = world.messages('asked-1');
  const allow = message?.actions?.find(({ label }) => label === 'Allow');
  const path = new URL(allow?.url ?? '').pathname;
  const answer = (body: string) =>
    fetch(`${world.daemon.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { actionToken } = JSON.parse(allow?.body ?? '{}') as { actionToken: string };
  expect((await answer(JSON.stringify({ response: 'deny', actionToken }))).status).toBe(401);
  expect((await answer(JSON.stringify({ response: 'allow', actionToken: 'x'.repeat(43) }))).status).toBe(401);
  expect((await answer(allow?.body ?? '')).status).toBe(200);
  await world.deliveriesWhen('asked-1', (all) => all.some(({ state }) => state === 'seen'));
  expect((await answer(allow?.body ?? '')).status).toBe(401);
  await world.pushed('asked-1', 2);
  expect(world.messages('asked-1')[1]?.message).toContain('Done');
  const found = await world.deliveriesWhen('asked-1', ([first]) => first?.state === 'accepted');
  expect(found).toMatchObject([{ kind: 'turn_complete' }, { kind: 'permission', state: 'seen', reason: 'answered' }]);
});

test('P1: a token whose request another device has answered says that it is too late', async () => {
  const { sessionId } = await beginAndLeave({
    deviceId: 'late-1',
    name: 'late',
    steps: [{ tools: [ASK] }, { text: 'No.' }],
  });
  await world.pushed('late-1');
  const deny = world.messages('late-1')[0]?.actions?.find(({ label }) => label === 'Deny');
  const { pathname } = new URL(deny?.url ?? '');
  const answered = await world.send('POST', pathname, { response: 'deny', message: 'Not now.' });
  expect(await answered.json()).toMatchObject({ success: true, decision: 'deny' });
  const late = await world.send('POST', pathname, JSON.parse(deny?.body ?? '{}') as object);
  expect(late.status).toBe(409);
  expect(await late.json()).toMatchObject({ error: { code: 'ALREADY_RESOLVED' } });
  await world.deliveriesWhen('late-1', (all) =>
    all.some(({ kind, state }) => kind === 'turn_complete' && state === 'accepted'),
  );
  expect(await (await world.daemon.fetch(`/api/sessions/${sessionId}`)).json()).toMatchObject({ openPermissions: 0 });
});

test('P1: a request that one device answers is withdrawn from the others', async () => {
  const other = await world.register('other-1');
  await other.close();
  const { sessionId } = await beginAndLeave({
    deviceId: 'first-1',
    name: 'both',
    steps: [{ tools: [ASK] }, { text: 'Made.' }],
  });
  await Promise.all([world.pushed('other-1'), world.pushed('first-1')]);
  await world.deliveriesWhen('other-1', ([first]) => first?.state === 'accepted');
  const back = await connect(world.daemon, { deviceId: 'first-1' });
  await back.request('permission', { sessionId, response: 'deny', remember: false });
  await world.deliveriesWhen('other-1', (all) =>
    all.some((one) => one.kind === 'withdrawal' && one.state === 'accepted'),
  );
  const [asked] = world.messages('other-1');
  const deleted = world.ntfy.requests.filter(({ method }) => method === 'DELETE').map(({ path }) => path);
  const withdrawn = deleted.filter((path) => /^\/(first|other)-1\//.test(path));
  expect(withdrawn).toEqual([`/other-1/${asked?.sequence_id}`]);
  await back.waitFor('streamComplete');
  await back.close();
});

test('P1: several sessions that finish within a short while are told at once', async () => {
  const { client: first } = await begin({ deviceId: 'many-1', name: 'many-a' });
  await first.close();
  const second = await world.register('many-1');
  const { sessionId } = await openAnother(second);
  await second.request('streamSend', { sessionId, prompt: scenario({ gate: 'many-b', text: 'Done too.' }) });
  await world.api.reached('many-b');
  await second.close();
  world.api.release('many-a');
  await world.deliveriesWhen('many-1', ([found]) => found?.state === 'owed');
  world.api.release('many-b');
  const found = await world.deliveriesWhen('many-1', (all) => all.some(({ state }) => state === 'accepted'));
  expect(found.map(({ kind, state }) => `${kind} ${state}`).sort()).toEqual([
    'digest accepted',
    'turn_complete suppressed',
    'turn_complete suppressed',
  ]);
  expect(world.messages('many-1')).toMatchObject([{ title: '2 sessions finished' }]);
});

test('P1: a kind that is switched off, and a session that is muted, are not pushed', async () => {
  const device = { kinds: { turn_complete: false } };
  const { client, sessionId } = await begin({ deviceId: 'quiet-1', name: 'quiet' });
  const patched = await world.send('PATCH', '/api/devices/quiet-1', { preferences: device });
  expect(await patched.json()).toMatchObject({ deviceId: 'quiet-1', platform: 'ntfy', preferences: device });
  await client.close();
  world.api.release('quiet');
  expect(await world.deliveriesWhen('quiet-1', ([first]) => first?.state === 'suppressed')).toMatchObject([
    { reason: 'kind_off' },
  ]);
  await world.send('PATCH', '/api/devices/quiet-1', { preferences: { kinds: null } });
  const mute = (muted: boolean) => world.send('PATCH', `/api/sessions/${sessionId}`, { push: { muted } });
  expect(await (await mute(true)).json()).toMatchObject({ push: { muted: true } });
  const back = await connect(world.daemon, { deviceId: 'quiet-1' });
  await back.request('streamSend', { sessionId, prompt: scenario({ gate: 'muted', text: 'Done.' }) });
  await world.api.reached('muted');
  await back.close();
  world.api.release('muted');
  const found = await world.deliveriesWhen('quiet-1', (all) => all.length === 2 && all[0]?.state === 'suppressed');
  await mute(false);
  expect(found).toMatchObject([{ reason: 'muted' }, { reason: 'kind_off' }]);
  expect(world.messages('quiet-1')).toEqual([]);
});

test('P1: what a service has no time for is sent again, and what it refuses has failed', async () => {
  await world.register('tested-1').then((client) => client.close());
  world.answers.push({ status: 503 }, { status: 400 });
  const test1 = await world.send('POST', '/api/push-notifications/test', { deviceId: 'tested-1' });
  expect(test1.status).toBe(202);
  const [push] = await world.deliveriesWhen('tested-1', ([first]) => first?.state === 'failed');
  expect(push).toMatchObject({ kind: 'test', attempts: 2, reason: 'HTTP 400' });
  expect(push?.history.map(({ state }) => state)).toEqual(['owed', 'sending', 'owed', 'sending', 'failed']);
});

test('P1: a token that another device registers is that device’s from then on', async () => {
  await world.register('old-1', { token: 'moved' }).then((client) => client.close());
  await world.register('new-1', { token: 'moved' }).then((client) => client.close());
  expect((await world.send('POST', '/api/push-notifications/test', { deviceId: 'old-1' })).status).toBe(409);
  expect((await world.send('POST', '/api/push-notifications/test', { deviceId: 'new-1' })).status).toBe(202);
  await world.deliveriesWhen('new-1', ([first]) => first?.state === 'accepted');
  expect(world.messages('moved')).toHaveLength(1);
});

test('P1: a push that a killed daemon owed goes out after the restart, once', async () => {
  const { client } = await begin({ deviceId: 'killed-1', name: 'killed' });
  world.answers.push('hang');
  await client.close();
  world.api.release('killed');
  await world.pushed('killed-1');
  await world.daemon.restart('SIGKILL');
  const found = await world.deliveriesWhen('killed-1', ([first]) => first?.state === 'accepted');
  expect(found).toMatchObject([{ kind: 'turn_complete', attempts: 2 }]);
  const [first, second, ...more] = world.messages('killed-1');
  expect(second).toEqual(first);
  expect(more).toEqual([]);
});

test('push log shows what became of each', async () => {
  const written: string[] = [];
  const output = { columns: 80, write: (text: string) => written.push(text) };
  const io = { stdin: Object.assign(new PassThrough(), { isTTY: false }), stdout: output, stderr: output };
  const run = (args: string[]) =>
    runCli({ args, io: { ...io, onInterrupt: () => () => {} } as never, home: world.daemon.home });
  expect(await run(['push', 'log'])).toBe(0);
  expect(written.join('')).toMatch(/^AT +STATE +KIND +DEVICE +SESSION +TRIES +REASON\n/);
  expect(written.join('')).toMatch(/ failed +test +tested-1 +- +2 +HTTP 400\n/);
  written.length = 0;
  expect(await run(['push', 'log', '--json'])).toBe(0);
  expect(JSON.parse(written.join(''))).toMatchObject({ total: expect.any(Number) });
});

test('/health says how pushes do, and the metrics count them', async () => {
  const health = (await (await world.daemon.fetch('/health')).json()) as { checks: object };
  expect(health.checks).toMatchObject({ push: 'ok' });
  const metrics = await (await world.daemon.fetch('/metrics')).text();
  expect(metrics).toMatch(/companion_pushes_total\{kind="turn_complete",state="accepted"\} [1-9]/);
  expect(metrics).toContain('companion_open_pushes 0');
});

test('P1: a device that comes back to a restarted daemon, and acknowledges, is not pushed to', async () => {
  const { client, sessionId } = await begin({ deviceId: 'back-1', name: 'back' });
  await world.daemon.kill('SIGKILL');
  world.api.release('back');
  await world.daemon.start();
  const again = await connect(world.daemon, { deviceId: 'back-1' });
  const end = await again.waitFor('streamComplete');
  again.send('ack', { sessionId, seq: Number(end.seq) });
  const [push] = await world.deliveriesWhen('back-1', ([first]) => first !== undefined && first.state !== 'owed');
  expect(push).toMatchObject({ kind: 'turn_complete', state: 'suppressed', reason: 'acknowledged' });
  expect(world.messages('back-1')).toEqual([]);
  await Promise.all([client.close(), again.close()]);
});
