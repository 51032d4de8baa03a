/** What `GET /api/waiting` says of open requests and of prompts. */
import { expect, test } from '@jest/globals';
import { type Waiting, waitingSchema } from '../../protocol/waiting.js';
import { addUser, askOver, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

// The tests share a session, and each leaves it idle.
const world = useWorld();

const waiting = async (query = ''): Promise<Waiting['sessions']> =>
  waitingSchema.parse(await (await world.daemon.fetch(`/api/waiting${query}`)).json()).sessions;

const tools = (command: string) => [{ name: 'Bash', input: { command, description: 'Do it' } }];

test('an open request, the turn that asks and the prompts behind it are listed with who sent them', async () => {
  const phone = await world.connect({ deviceId: 'phone' });
  const gone = await world.connect({ deviceId: 'gone' });
  const workingDirectory = world.daemon.project('shared');
  const prompt = scenario({ tools: tools('touch it') }, { text: 'Done.' });
  const { data: started } = await phone.request('streamStart', { prompt, workingDirectory });
  const { sessionId } = started;
  const long = `${scenario({ text: 'Later.' })} ${'x'.repeat(300)}`;
  const { data: queued } = await gone.request('streamSend', { sessionId, prompt: long });
  const { data: asked } = await phone.waitFor('permissionRequest');
  await gone.close();
  await waitUntil('the device is known to be away', async () =>
    (await waiting()).some(({ prompts }) => prompts.some(({ deviceConnected }) => !deviceConnected)),
  );
  const [session] = await waiting();
  expect(session).toMatchObject({ sessionId, workingDirectory, status: 'waiting', promptCount: 2 });
  expect(session?.permissions).toMatchObject([
    { permissionId: asked.permissionId, toolInput: { command: 'touch it' }, askedAt: expect.stringMatching(/Z$/) },
  ]);
  expect(session?.prompts).toMatchObject([
    { promptId: started.promptId, state: 'running', deviceId: 'phone', deviceConnected: true },
    { promptId: queued.promptId, state: 'queued', deviceId: 'gone', deviceConnected: false, truncated: true },
  ]);
  expect(session?.prompts[1]?.text).toBe(long.slice(0, 200));
  expect(await waiting(`?sessionId=${sessionId}`)).toEqual([session]);
  await phone.request('permission', { sessionId, permissionId: asked.permissionId, response: 'y', remember: false });
  await phone.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === queued.promptId);
  expect(await waiting()).toEqual([]);
  expect(await waiting(`?sessionId=${sessionId}`)).toMatchObject([{ sessionId, permissions: [], prompts: [] }]);
});

test('a request too large for the list says that it is cut, and is whole when its session is asked for', async () => {
  const phone = await world.connect();
  const command = `echo ${'y'.repeat(20_000)}`;
  const prompt = scenario({ tools: tools(command) }, { text: 'Done.' });
  const { data } = await phone.request('streamStart', { prompt, workingDirectory: world.daemon.project('shared') });
  await phone.waitFor('permissionRequest');
  const [listed] = await waiting();
  expect(listed?.permissions[0]?.truncated).toBe(true);
  expect(JSON.stringify(listed).length).toBeLessThan(10_000);
  const [whole] = await waiting(`?sessionId=${data.sessionId}`);
  expect(whole?.permissions[0]).toMatchObject({ toolInput: { command } });
  await phone.request('interrupt', { sessionId: data.sessionId });
  await phone.waitFor('streamComplete');
});

test('S1: another person’s sessions are not listed, and asking for one of them is SESSION_NOT_FOUND', async () => {
  const phone = await world.connect();
  const prompt = scenario({ tools: tools('touch mine') }, { text: 'Done.' });
  const { data } = await phone.request('streamStart', { prompt, workingDirectory: world.daemon.project('shared') });
  await phone.waitFor('permissionRequest');
  await addUser(world.daemon, 'ann@example.org');
  const { accessToken: token } = await pairDevice(world.daemon, { user: 'ann@example.org' });
  expect(await askOver(world.daemon, 'GET', '/api/waiting', { token })).toMatchObject({ body: { sessions: [] } });
  const path = `/api/waiting?sessionId=${data.sessionId}`;
  expect(await askOver(world.daemon, 'GET', path, { token })).toMatchObject({
    status: 404,
    body: { error: { code: 'SESSION_NOT_FOUND' } },
  });
  await phone.request('interrupt', { sessionId: data.sessionId });
  await phone.waitFor('streamComplete');
});
