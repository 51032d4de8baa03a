/** Gateways that begin their tool ids anew with each answer: a permission request has an id of the daemon's own. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openDatabase } from '../../services/journal/open-database.js';
import { withSum } from '../../services/journal/row-sums.js';
import { usePushWorld } from '../support/push-world.js';
import { scenario } from '../support/scripted-api.js';
import { connect, type WireClient } from '../support/wire-client.js';

const world = usePushWorld();

/** As such a gateway names the first tool call of each of its answers. */
const REPEATED = 'Bash:0';
const bash = (command: string) => ({ name: 'Bash', id: REPEATED, input: { command, description: 'x' } });

async function asked(client: WireClient, sessionId: string, except: string[] = []) {
  const { data } = await client.waitFor(
    (frame) =>
      frame.type === 'permissionRequest' &&
      frame.data.sessionId === sessionId &&
      !except.includes(frame.data.permissionId),
  );
  return data;
}

const answerByRest = (sessionId: string, permissionId: string, body: object) =>
  world.send('POST', `/api/sessions/${sessionId}/permissions/${encodeURIComponent(permissionId)}`, body);

/** The token of the push about the session's first request. */
async function pushedAnswer(deviceId: string) {
  await world.pushed(deviceId);
  const allow = world.messages(deviceId)[0]?.actions?.find(({ label }) => label === 'Allow');
  return { path: new URL(allow?.url ?? '').pathname, body: JSON.parse(allow?.body ?? '{}') as object };
}

test('I2: where tool ids repeat, an answer to the first request never decides the second, over any way and after a restart', async () => {
  const workingDirectory = world.daemon.project();
  const phone = await world.register('phone-ids');
  const begun = await phone.request('streamStart', {
    prompt: scenario({ tools: [bash('touch first')] }, { tools: [bash('touch second')] }, { text: 'Both.' }),
    workingDirectory,
  });
  const { sessionId } = begun.data;
  await phone.waitFor('permissionRequest');
  await phone.close();
  const late = await pushedAnswer('phone-ids');

  const desk = await connect(world.daemon, { deviceId: 'desk-ids' });
  await desk.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
  const first = await asked(desk, sessionId);
  expect(first).toMatchObject({ toolId: REPEATED });
  expect(first.permissionId).not.toContain(REPEATED);
  const denied = { sessionId, permissionId: first.permissionId, response: 'deny', remember: false };
  expect((await desk.request('permission', denied)).type).toBe('permissionAccepted');
  const second = await asked(desk, sessionId, [first.permissionId]);
  expect(second).toMatchObject({ toolId: expect.stringMatching(/^Bash:0/), toolInput: { command: 'touch second' } });

  const refuseLate = async (client: WireClient) => {
    const answer = { sessionId, permissionId: first.permissionId, response: 'allow', remember: false };
    expect((await client.request('permission', answer)).data).toMatchObject({ code: 'ALREADY_RESOLVED' });
    const byRest = await answerByRest(sessionId, first.permissionId, { response: 'allow' });
    expect([byRest.status, await byRest.json()]).toMatchObject([409, { error: { code: 'ALREADY_RESOLVED' } }]);
    expect((await answerByRest(sessionId, REPEATED, { response: 'allow' })).status).toBe(404);
    const decided = client.events(sessionId).filter(({ type }) => type === 'permissionResolved');
    expect(decided.filter(({ data }) => data.permissionId === second.permissionId)).toEqual([]);
  };
  await refuseLate(desk);
  const byToken = await world.send('POST', late.path, late.body);
  expect([byToken.status, await byToken.json()]).toMatchObject([409, { error: { code: 'ALREADY_RESOLVED' } }]);

  await world.daemon.restart('SIGKILL');
  const back = await connect(world.daemon, { deviceId: 'other-ids' });
  await back.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
  expect((await asked(back, sessionId, [first.permissionId])).permissionId).toBe(second.permissionId);
  await refuseLate(back);
  expect((await world.send('POST', late.path, late.body)).status).toBeGreaterThanOrEqual(400);
  expect([existsSync(join(workingDirectory, 'first')), existsSync(join(workingDirectory, 'second'))]).toEqual([
    false,
    false,
  ]);
  const byRest = await answerByRest(sessionId, second.permissionId, { response: 'allow' });
  expect(await byRest.json()).toMatchObject({ success: true, permissionId: second.permissionId, decision: 'allow' });
  await back.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Both.');
  expect(existsSync(join(workingDirectory, 'second'))).toBe(true);
  await back.close();
});

test('I2: a request that was recorded under the id of its tool call is answered by that id', async () => {
  const workingDirectory = world.daemon.project();
  const client = await connect(world.daemon, { deviceId: 'old-ids' });
  const begun = await client.request('streamStart', {
    prompt: scenario({ tools: [bash('touch old')] }, { tools: [bash('touch new')] }, { text: 'Old.' }),
    workingDirectory,
  });
  const { sessionId } = begun.data;
  const { permissionId } = await asked(client, sessionId);
  await world.daemon.kill('SIGKILL');
  renamePermission(sessionId, permissionId, REPEATED);
  await world.daemon.start();
  const back = await connect(world.daemon, { deviceId: 'old-ids-2' });
  await back.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
  const old = await back.waitFor(({ type, data }) => type === 'permissionRequest' && data.permissionId === REPEATED);
  expect(old.data.toolInput).toMatchObject({ command: 'touch old' });
  const answer = { sessionId, permissionId: REPEATED, response: 'allow', remember: false };
  expect((await back.request('permission', answer)).type).toBe('permissionAccepted');
  const next = await asked(back, sessionId, [REPEATED, permissionId]);
  expect(next).toMatchObject({ toolId: expect.stringMatching(/^Bash:0/), toolInput: { command: 'touch new' } });
  expect((await back.request('permission', answer)).data).toMatchObject({ code: 'ALREADY_RESOLVED' });
  await back.request('permission', { ...answer, permissionId: next.permissionId });
  await back.waitFor(({ type, data }) => type === 'streamComplete' && data.finalResult === 'Old.');
  await back.close();
});

/** As a daemon before this one would have recorded it. */
function renamePermission(sessionId: string, from: string, to: string): void {
  const database = openDatabase(join(world.daemon.home, 'journal.db'));
  const row = database
    .prepare('SELECT * FROM permissions WHERE session_id = ? AND permission_id = ?')
    .get(sessionId, from);
  const { permission_id, sum } = withSum('permissions', { ...(row as { ask: string }), permission_id: to });
  database
    .prepare('UPDATE permissions SET permission_id = ?, sum = ? WHERE session_id = ? AND permission_id = ?')
    .run(permission_id, sum, sessionId, from);
  database.close();
}
