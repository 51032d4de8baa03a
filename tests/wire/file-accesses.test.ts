/** The record of accesses to files, by Claude's tools and by devices. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type FileAccesses, fileAccessesSchema } from '../../protocol/file-accesses.js';
import { type Step, scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

async function open() {
  const client = await world.connect();
  const project = world.daemon.project();
  const options = { permissionMode: 'acceptEdits' as const };
  const { sessionId } = (await client.request('streamStart', { prompt: '', workingDirectory: project, options })).data;
  const say = async (...steps: Step[]) => {
    const { promptId } = (await client.request('streamSend', { sessionId, prompt: scenario(...steps) })).data;
    await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
    return promptId;
  };
  const ask = async (method: string, path: string, body?: object) => {
    const response = await world.daemon.fetch(`/api/sessions/${sessionId}/files${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const list = async (query = ''): Promise<FileAccesses> => {
    const { status, body } = await ask('GET', `/access${query}`);
    expect([query, status]).toEqual([query, 200]);
    return fileAccessesSchema.strict().parse(body);
  };
  return { client, sessionId, project, say, ask, list, at: (name: string) => join(project, name) };
}

const shortly = ({ accesses }: FileAccesses) =>
  accesses.map(({ kind, by, tool, path }) => `${tool ?? by} ${kind} ${path}`);

test('each access has its time, its turn, and who it was: a tool of Claude or a device', async () => {
  const { client, sessionId, say, ask, list, at } = await open();
  writeFileSync(at('a.txt'), 'one\n');
  const first = await say(
    { tools: [{ name: 'Read', input: { file_path: at('a.txt') } }] },
    { tools: [{ name: 'Edit', input: { file_path: at('a.txt'), old_string: 'one', new_string: 'two' } }] },
    { text: 'Done.' },
  );
  expect((await ask('GET', '/a.txt')).status).toBe(200);
  expect((await ask('PUT', '/./sub//b.txt', { content: 'b' })).status).toBe(201);
  expect((await ask('DELETE', '/sub/b.txt')).status).toBe(200);
  expect((await ask('DELETE', '/sub/b.txt')).status).toBe(404);
  expect((await ask('GET', '?path=sub')).status).toBe(200);
  const second = await say(
    { tools: [{ name: 'Write', input: { file_path: at('c.txt'), content: 'c'.repeat(100_000) } }] },
    {
      tools: [
        { name: 'Grep', input: { pattern: 'tw.', path: at('sub') } },
        { name: 'Bash', input: { command: 'true' } },
      ],
    },
    { text: 'Done.' },
  );
  const all = await list();
  const expected = [
    'Grep search sub',
    'Write write c.txt',
    'device list sub',
    'device delete sub/b.txt',
    'device write sub/b.txt',
    'device read a.txt',
    'Edit edit a.txt',
    'Read read a.txt',
  ];
  expect(shortly(all)).toEqual(expected);
  expect(all).toMatchObject({ total: 8, limit: 50, offset: 0, hasMore: false });
  expect(all.accesses.map(({ promptId }) => promptId)).toEqual([second, second, ...Array(4), first, first]);
  const read = client.frames.find(({ type, data }) => type === 'toolUse' && data.toolName === 'Read');
  expect(all.accesses.at(-1)).toMatchObject({ sessionId, by: 'tool', tool: 'Read', toolUseId: read?.data.toolId });
  expect(all.accesses[0]).toMatchObject({ pattern: 'tw.' });
  expect(all.accesses[2]).toMatchObject({ by: 'device', deviceId: expect.stringMatching(/./) });
  const times = all.accesses.map(({ timestamp }) => Date.parse(timestamp));
  expect(times).toEqual(times.toSorted((a, b) => b - a));

  expect(shortly(await list('?path=a.txt'))).toEqual(expected.slice(5));
  expect(shortly(await list(`?path=${at('a.txt')}`))).toEqual(expected.slice(5));
  expect(shortly(await list('?kind=write'))).toEqual(['Write write c.txt', 'device write sub/b.txt']);
  expect(shortly(await list('?tool=Read'))).toEqual(['Read read a.txt']);
  expect(await list(`?promptId=${first}`)).toMatchObject({ total: 2, hasMore: false });
  expect(shortly(await list(`?promptId=${second}&path=c.txt`))).toEqual(['Write write c.txt']);
  expect(await list('?path=none.txt')).toMatchObject({ accesses: [], total: 0 });

  const paged: string[] = [];
  for (let page = await list('?limit=3'); ; page = await list(`?limit=3&cursor=${page.nextCursor}`)) {
    paged.push(...shortly(page));
    expect(page).toMatchObject({ total: 8, hasMore: paged.length < 8 });
    if (!page.hasMore) break;
  }
  expect(paged).toEqual(expected);
  expect(shortly(await list('?limit=3&offset=4'))).toEqual(expected.slice(4, 7));

  await world.daemon.restart('SIGTERM');
  expect(shortly(await list())).toEqual(expected);
});

test('what a device does during a turn names its prompt; a purge removes the record', async () => {
  const { client, sessionId, ask, list, at, say } = await open();
  writeFileSync(at('a.txt'), 'one\n');
  const sent = await client.request('streamSend', { sessionId, prompt: scenario({ text: 'half', gate: 'during' }) });
  const { promptId } = sent.data;
  await world.api.reached('during');
  await ask('GET', '/a.txt?raw=true').catch(() => undefined);
  world.api.release('during');
  await client.waitFor(({ type, data }) => type === 'streamComplete' && data.promptId === promptId);
  await ask('GET', '/a.txt');
  const { accesses } = await list('?kind=read');
  expect(accesses.map((access) => access.promptId)).toEqual([undefined, promptId]);
  expect(await list(`?promptId=${promptId}`)).toMatchObject({ total: 1 });
  await say({ text: 'more' });
  expect(await list(`?promptId=${promptId}`)).toMatchObject({ total: 1 });
  for (const [query, field] of [
    ['?limit=0', 'limit'],
    ['?limit=201', 'limit'],
    ['?kind=look', 'kind'],
    ['?offset=0&cursor=x', 'cursor'],
    ['?cursor=x', 'cursor'],
    ['?path=', 'path'],
  ]) {
    expect(await ask('GET', `/access${query}`)).toMatchObject({
      status: 400,
      body: { error: { code: 'INVALID_REQUEST', details: { field } } },
    });
  }
  expect((await ask('GET', '/access?promptId=none')).status).toBe(404);
  await client.request('streamClose', { sessionId, reason: 'done' });
  expect((await world.daemon.fetch(`/api/sessions/${sessionId}?purge=true`, { method: 'DELETE' })).status).toBe(200);
  await waitUntil('it is gone', async () => (await ask('GET', '/access')).status === 404);
});
