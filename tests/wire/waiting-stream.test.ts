/** `GET /api/stream?only=waiting`, read by an unmodified `eventsource` client. */
import { afterEach, expect, test } from '@jest/globals';
import type { WaitingSession } from '../../protocol/waiting.js';
import { type EventReader, type ReadEvent, readEvents } from '../support/event-reader.js';
import { scenario } from '../support/scripted-api.js';
import { useSharedSession } from '../support/shared-session.js';
import { useWorld } from '../support/world.js';

const world = useWorld();
const openShared = useSharedSession(world);
const readers: EventReader[] = [];

afterEach(() => {
  for (const reader of readers.splice(0)) reader.close();
  world.disconnect();
});

const read = (query = ''): EventReader => {
  const reader = readEvents(`${world.daemon.url}/api/stream?only=waiting${query}`);
  readers.push(reader);
  return reader;
};

const sessionsOf = ({ data }: ReadEvent) => data.sessions as WaitingSession[];
const told = (reader: EventReader, holds: (session: WaitingSession) => boolean) =>
  reader.waitFor((event) => event.event === 'waiting' && sessionsOf(event).some(holds));
/** The last that a reader knows of a session. */
const known = (reader: EventReader, sessionId: string) =>
  reader
    .of('waiting')
    .flatMap(sessionsOf)
    .findLast((session) => session.sessionId === sessionId);

test('tells what waits at first, then each change, and which prompt has ended', async () => {
  const client = await world.connect();
  const { sessionId } = await openShared(client);
  const reader = read();
  const first = await reader.waitFor('waiting');
  expect(first).toMatchObject({ id: '', data: { sessions: [], isFirst: true } });
  const prompt = scenario({ text: 'Waited for.', gate: 'told' });
  const { promptId } = (await client.request('streamSend', { sessionId, prompt })).data;
  const running = await told(reader, ({ prompts }) => prompts[0]?.state === 'running');
  expect(sessionsOf(running)).toMatchObject([
    { sessionId, status: 'working', prompts: [{ promptId }], promptCount: 1 },
  ]);
  await world.api.reached('told');
  const second = (await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Next.' }) })).data.promptId;
  await told(reader, ({ prompts }) => prompts[1]?.promptId === second);
  world.api.release('told');
  await told(reader, ({ lastPrompt }) => lastPrompt?.promptId === promptId);
  await told(reader, ({ lastPrompt, status }) => status === 'idle' && lastPrompt?.promptId === second);
  expect(known(reader, sessionId)).toMatchObject({
    status: 'idle',
    prompts: [],
    permissions: [],
    lastPrompt: { promptId: second, status: 'completed' },
  });
  expect(reader.statuses).toEqual([200]);
});

test('tells an open request, and that it was answered', async () => {
  const client = await world.connect();
  const { sessionId } = await openShared(client);
  const reader = read();
  await reader.waitFor('waiting');
  const tools = [{ name: 'Write', input: { file_path: 'asked.txt', content: 'x' } }];
  const sent = await client.request('streamSend', { sessionId, prompt: scenario({ tools }, { text: 'Denied.' }) });
  const { promptId } = sent.data;
  const asking = await told(reader, ({ permissions }) => permissions.length > 0);
  const permissionId = sessionsOf(asking)[0]?.permissions[0]?.permissionId;
  expect(sessionsOf(asking)).toMatchObject([{ sessionId, status: 'waiting', permissions: [{ toolName: 'Write' }] }]);
  // One that comes now has it in its first event.
  const late = read();
  expect(sessionsOf(await late.waitFor('waiting'))).toMatchObject([{ sessionId, permissions: [{ permissionId }] }]);
  await client.request('permission', { sessionId, permissionId, response: 'n', remember: false });
  for (const one of [reader, late]) {
    await told(one, ({ status, lastPrompt }) => status === 'idle' && lastPrompt?.promptId === promptId);
    expect(known(one, sessionId)).toMatchObject({ permissions: [], lastPrompt: { status: 'completed' } });
  }
});

test('whoever comes in the middle of a turn misses nothing of it', async () => {
  const client = await world.connect();
  const { sessionId } = await openShared(client);
  const prompt = scenario({ text: 'Short.', chunk: 1, gateAfter: { deltas: 2, gate: 'middle' } });
  const { promptId } = (await client.request('streamSend', { sessionId, prompt })).data;
  const end = client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  // Each of them comes at another moment, from before the beginning to after the end.
  const some = (count: number) => Array.from({ length: count }, () => read(`&sessionId=${sessionId}`));
  some(4);
  await world.api.reached('middle');
  some(4);
  world.api.release('middle');
  some(4);
  await end;
  some(2);
  expect(readers).toHaveLength(14);
  for (const reader of readers) {
    await told(reader, ({ lastPrompt, promptCount }) => promptCount === 0 && lastPrompt?.promptId === promptId);
  }
});

test('a session that begins later is told, and others are not where one was asked for', async () => {
  const client = await world.connect();
  const { sessionId } = await openShared(client);
  const all = read();
  const one = read(`&sessionId=${sessionId}`);
  expect(sessionsOf(await one.waitFor('waiting'))).toMatchObject([{ sessionId, promptCount: 0 }]);
  await all.waitFor('waiting');
  const prompt = scenario({ text: 'Elsewhere.' });
  const begun = await client.request('streamStart', { prompt, workingDirectory: world.daemon.project() });
  const other = begun.data.sessionId;
  await told(all, ({ sessionId: id, lastPrompt }) => id === other && lastPrompt !== undefined);
  const own = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'Here.' }) });
  await told(one, ({ lastPrompt }) => lastPrompt?.promptId === own.data.promptId);
  expect(known(one, other)).toBeUndefined();
});

test.each([
  ['only=all', 400, 'only'],
  ['sessionId=x', 400, 'sessionId'],
  ['only=waiting&sessionId=none', 404, 'sessionId'],
])('refuses %s', async (query, status, field) => {
  const answer = await world.daemon.fetch(`/api/stream?${query}`);
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ error: { details: { field } } });
});
