/** Sessions over REST: continued, found, labelled, and many at once. */
import { describe, expect, test } from '@jest/globals';
import { bulkResultSchema, type SessionView, sessionStatusesSchema, sessionViewSchema } from '../../protocol/rest.js';
import { addUser, pairDevice } from '../support/identity-world.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const world = useWorld();

async function ask(method: string, path: string, body?: unknown, token?: string) {
  const response = await world.daemon.fetch(`/api/sessions${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const viewOf = ({ body }: { body: unknown }): SessionView => sessionViewSchema.strict().parse(body);
const open = async (body: object = {}) =>
  viewOf(await ask('POST', '', { workingDirectory: world.daemon.project(), ...body }));
const view = async (id: string) => viewOf(await ask('GET', `/${id}`));
const run = (id: string, prompt: string) => ask('POST', `/${id}/prompts?wait=true`, { prompt });
const found = async (query: string) => {
  const { body } = await ask('GET', `?${query}`);
  return (body.sessions as SessionView[]).map(({ id }) => id);
};
const refusedBy = (field: string) => ({
  status: 400,
  body: { error: { code: 'INVALID_REQUEST', details: { field, rule: expect.stringMatching(/./) } } },
});

describe('POST /api/sessions/continue', () => {
  const saidBefore = (mark: string) =>
    JSON.stringify(world.api.requests.findLast((request) => JSON.stringify(request.messages).includes(mark))?.messages);

  test('opens the newest conversation of the directory, also one that no session has any more', async () => {
    const directory = world.daemon.project();
    const first = viewOf(await ask('POST', '', { workingDirectory: directory }));
    await run(first.id, `older-words ${scenario({ text: 'Older.' })}`);
    await ask('POST', '', { workingDirectory: directory, preserveContext: false });
    await run(first.id, `newer-words ${scenario({ text: 'Newer.' })}`);
    await ask('DELETE', `/${first.id}?purge=true`);
    await waitUntil('it is forgotten', async () => (await ask('GET', `/${first.id}`)).status === 404);
    const continued = await ask('POST', '/continue', { projectPath: directory, sessionName: 'again' });
    expect(continued).toMatchObject({ status: 201, body: { reused: false, sessionName: 'again' } });
    const { id } = viewOf(continued);
    await run(id, `third-words ${scenario({ text: 'Third.' })}`);
    expect(saidBefore('third-words')).toContain('newer-words');
    expect(saidBefore('third-words')).not.toContain('older-words');
    // It has that conversation now: it is joined, and its child stays.
    const { pid } = await view(id);
    const joined = await ask('POST', '/continue', { workingDirectory: directory });
    expect(joined).toMatchObject({ status: 200, body: { id, reused: true, pid } });
  });

  test('a directory without a conversation has none to continue, and gets no session', async () => {
    const workingDirectory = world.daemon.project();
    expect(await ask('POST', '/continue', { workingDirectory })).toMatchObject({
      status: 404,
      body: { error: { code: 'NOT_FOUND', details: { field: 'workingDirectory' } } },
    });
    expect(await found(`projectPath=${encodeURIComponent(workingDirectory)}`)).toEqual([]);
  });

  test.each<[string, object, string]>([
    ['no directory', {}, 'workingDirectory'],
    ['two', { workingDirectory: '.', folderName: 'x' }, 'workingDirectory'],
    ['a number', { projectPath: 7 }, 'projectPath'],
    ['an unknown mode', { workingDirectory: '.', permissionMode: 'yolo' }, 'permissionMode'],
  ])('O1: with %s is refused by that field', async (_what, body, field) => {
    expect(await ask('POST', '/continue', body)).toMatchObject(refusedBy(field));
  });
});

describe('what a session does', () => {
  test('is in its view and among all: the prompt that runs, and how the last has ended', async () => {
    const { id } = await open();
    const done = await run(id, scenario({ text: 'Done.' }));
    const lastPrompt = { promptId: done.body.id, status: 'completed', subtype: 'success' };
    expect(await view(id)).toMatchObject({ isWorking: false, lastPrompt });
    const { body } = await ask('POST', `/${id}/prompts`, { prompt: scenario({ text: 'Long.', gate: 'long' }) });
    await world.api.reached('long');
    expect(await view(id)).toMatchObject({ isWorking: true, currentPrompt: { promptId: body.id }, lastPrompt });
    const statuses = sessionStatusesSchema.strict().parse((await ask('GET', '/status')).body);
    expect(statuses.total).toBe(statuses.sessions.length);
    expect(Object.values(statuses.counts).reduce((sum, count) => sum + count, 0)).toBe(statuses.total);
    const mine = statuses.sessions.find((one) => one.id === id);
    expect(mine).toMatchObject({
      status: 'working',
      isWorking: true,
      currentPrompt: { promptId: body.id },
      lastPrompt,
    });
    expect(await found('isWorking=true')).toEqual([id]);
    expect(await found('isWorking=false')).not.toContain(id);
    await ask('POST', `/${id}/interrupt`);
    world.api.release('long');
    await waitUntil('it is over', async () => !(await view(id)).isWorking);
    const after = await view(id);
    expect(after).not.toHaveProperty('currentPrompt');
    expect(after.lastPrompt).toMatchObject({ promptId: body.id, status: 'cancelled', subtype: 'interrupted' });
    await world.daemon.restart('SIGKILL');
    expect((await view(id)).lastPrompt).toEqual(after.lastPrompt);
  });

  test('S1: another person has no part in it', async () => {
    await addUser(world.daemon, 'eve@example.org');
    const { accessToken } = await pairDevice(world.daemon, { user: 'eve@example.org' });
    const { id } = await open();
    expect((await ask('GET', '/status', undefined, accessToken)).body).toMatchObject({ sessions: [], total: 0 });
    const bulk = await ask('POST', '/bulk', { ids: [id], action: 'purge' }, accessToken);
    expect(bulk.body).toMatchObject({
      failed: 1,
      results: [{ id, success: false, error: { code: 'SESSION_NOT_FOUND' } }],
    });
    expect((await view(id)).id).toBe(id);
  });
});

describe('labels', () => {
  test('a session is pinned, tagged and renamed, and found by all of it', async () => {
    const [one, two] = [await open({ sessionName: 'Garden plan' }), await open({ context: 'About BEES.' })];
    const labels = { pinned: true, tags: ['spring', 'Work'] };
    expect(viewOf(await ask('PATCH', `/${one.id}`, labels))).toMatchObject(labels);
    expect((await found('limit=1'))[0]).toBe(one.id);
    for (const query of ['pinned=true', 'tag=spring', 'q=garden', 'q=SPRING', 'q=+plan+']) {
      expect({ query, ids: await found(query) }).toEqual({ query, ids: [one.id] });
    }
    expect(await found('q=bees')).toEqual([two.id]);
    expect(await found(`q=${encodeURIComponent(two.projectName)}`)).toContain(two.id);
    expect(await found('q=nothing-like-it')).toEqual([]);
    expect(await found('tag=')).not.toContain(one.id);
    expect(await found('pinned=false')).not.toContain(one.id);
    await world.daemon.restart('SIGTERM');
    const renamed = viewOf(await ask('PATCH', `/${one.id}`, { sessionName: 'Other', pinned: false, tags: [] }));
    expect(renamed).toMatchObject({ sessionName: 'Other' });
    expect(renamed).not.toHaveProperty('pinned');
    expect(renamed).not.toHaveProperty('tags');
  });

  test.each<[object, string]>([
    [{ pinned: 'yes' }, 'pinned'],
    [{ tags: 'one' }, 'tags'],
    [{ tags: ['a', 'a'] }, 'tags'],
    [{ tags: [''] }, 'tags.0'],
    [{ tags: [7] }, 'tags.0'],
    [{ tags: Array.from({ length: 21 }, (_, index) => `tag-${index}`) }, 'tags'],
  ])('O1: %j is refused by its field, and changes nothing', async (body, field) => {
    const { id } = await open();
    const before = await view(id);
    expect(await ask('PATCH', `/${id}`, body)).toMatchObject(refusedBy(field));
    const { pinned, tags } = await view(id);
    expect({ pinned, tags }).toEqual({ pinned: before.pinned, tags: before.tags });
  });

  test.each([
    ['pinned=maybe', 'pinned'],
    ['isWorking=1', 'isWorking'],
    ['archived=', 'archived'],
    ['q=a&q=b', 'q'],
  ])('O1: a list with %s is refused by that field', async (query, field) => {
    expect(await ask('GET', `?${query}`)).toMatchObject(refusedBy(field));
  });
});

describe('POST /api/sessions/bulk', () => {
  const bulk = async (action: string, ids: string[]) =>
    bulkResultSchema.strict().parse((await ask('POST', '/bulk', { ids, action })).body);

  test('does to each what the request for one does, and says which could not be', async () => {
    const ids = [(await open()).id, (await open()).id];
    const [a = '', b = ''] = ids;
    expect(await bulk('archive', [a, 'missing', b])).toMatchObject({
      succeeded: 2,
      failed: 1,
      results: [
        { id: a, success: true },
        { id: 'missing', success: false, error: { code: 'SESSION_NOT_FOUND' } },
        { id: b, success: true },
      ],
    });
    expect((await found('archived=true')).sort()).toEqual([...ids].sort());
    await bulk('unarchive', ids);
    expect(await found('archived=true')).toEqual([]);
    await bulk('pin', ids);
    expect((await found('pinned=true')).sort()).toEqual([...ids].sort());
    await bulk('unpin', ids);
    expect(await found('pinned=true')).toEqual([]);
    expect(await bulk('interrupt', ids)).toMatchObject({ succeeded: 2 });
    await bulk('close', ids);
    for (const id of ids) expect((await view(id)).status).toBe('closed');
    await bulk('purge', ids);
    await waitUntil('they are forgotten', async () =>
      (await Promise.all(ids.map((id) => ask('GET', `/${id}`)))).every(({ status }) => status === 404),
    );
  });

  test.each<[object, string]>([
    [{}, 'ids'],
    [{ ids: [], action: 'pin' }, 'ids'],
    [{ ids: 'all', action: 'pin' }, 'ids'],
    [{ ids: ['a', 'a'], action: 'pin' }, 'ids'],
    [{ ids: Array.from({ length: 201 }, (_, index) => `id-${index}`), action: 'pin' }, 'ids'],
    [{ ids: [7], action: 'pin' }, 'ids.0'],
    [{ ids: ['a'], action: 'burn' }, 'action'],
  ])('O1: %j is refused by its field', async (body, field) => {
    expect(await ask('POST', '/bulk', body)).toMatchObject(refusedBy(field));
  });
});
