/** Deleted files, and how they come back. */
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { type TrashList, trashListSchema } from '../../protocol/files.js';
import { sessionViewSchema } from '../../protocol/rest.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

// No session here has a turn: its child need not be the real CLI.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const TRASH_BYTES = '1000';
const world = useWorld({ environment: { CLAUDE_PATH, TRASH_BYTES } });

async function open() {
  const { body } = await ask('POST', '/api/sessions', { workingDirectory: world.daemon.project() });
  const session = sessionViewSchema.parse(body);
  const files = `/api/sessions/${session.id}/files`;
  const at = (path: string) => join(session.workingDirectory, path);
  const put = (path: string, text: string) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
  };
  const list = async (query = ''): Promise<TrashList> => {
    const { status, body: page } = await ask('GET', `${files}/trash${query}`);
    expect(status).toBe(200);
    return trashListSchema.strict().parse(page);
  };
  const remove = async (path: string) => {
    const removed = await ask('DELETE', `${files}/${path}`);
    expect([path, removed.status]).toEqual([path, 200]);
    return String(removed.body.trashId);
  };
  const restore = (trashId: string, body_: object = {}) => ask('POST', `${files}/trash/${trashId}/restore`, body_);
  return { id: session.id, files, at, put, list, remove, restore };
}

async function ask(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const response = await world.daemon.fetch(path, {
    method,
    headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, never> };
}

const refused = (status: number, code: string, field: string) => ({
  status,
  body: { error: { code, details: { field } } },
});

let of: Awaited<ReturnType<typeof open>>;
beforeAll(async () => {
  of = await open();
});

test('a deleted file is in the trash, across a restart, until it is restored as it was', async () => {
  const { at, put, list, remove, restore } = of;
  put('sub/a.txt', 'one');
  chmodSync(at('sub/a.txt'), 0o640);
  const before = statSync(at('sub/a.txt'));
  const trashId = await remove('sub/a.txt');
  expect(existsSync(at('sub/a.txt'))).toBe(false);
  await world.daemon.restart('SIGTERM');
  const { files, total } = await list();
  expect(total).toBe(1);
  expect(files[0]).toMatchObject({ trashId, path: 'sub/a.txt', type: 'file', size: 3 });
  expect(Date.parse(files[0]?.expiresAt ?? '') - Date.parse(files[0]?.deletedAt ?? '')).toBe(30 * 86_400_000);
  const folder = join(world.daemon.home, 'trash');
  expect([statSync(folder), statSync(join(folder, of.id, trashId))].map(({ mode }) => mode & 0o777)).toEqual([
    0o700, 0o700,
  ]);
  expect(await restore(trashId)).toMatchObject({
    status: 200,
    body: { success: true, path: 'sub/a.txt', type: 'file' },
  });
  const after = statSync(at('sub/a.txt'));
  expect([readFileSync(at('sub/a.txt'), 'utf8'), after.mode, after.mtimeMs]).toEqual([
    'one',
    before.mode,
    before.mtimeMs,
  ]);
  expect(await list()).toMatchObject({ files: [], total: 0, hasMore: false });
  expect(readdirSync(join(folder, of.id))).toEqual([]);
  expect(await restore(trashId)).toMatchObject(refused(404, 'NOT_FOUND', 'trashId'));
});

test('it comes back to another place, with its folders, and never over something', async () => {
  const { at, put, remove, restore, list } = of;
  put('b.txt', 'old');
  const trashId = await remove('b.txt');
  put('b.txt', 'new');
  expect(await restore(trashId)).toMatchObject(refused(409, 'CONFLICT', 'path'));
  expect(readFileSync(at('b.txt'), 'utf8')).toBe('new');
  symlinkSync('nowhere', at('link'));
  for (const [to, status, code] of [
    ['link', 403, 'PERMISSION_DENIED'],
    ['../b.txt', 400, 'INVALID_REQUEST'],
    ['/b.txt', 400, 'INVALID_REQUEST'],
    ['.env', 403, 'PERMISSION_DENIED'],
    ['', 400, 'INVALID_REQUEST'],
  ] as const) {
    expect([to, await restore(trashId, { to })]).toMatchObject([to, refused(status, code, 'to')]);
  }
  expect(await list()).toMatchObject({ total: 1 });
  expect(await restore(trashId, { to: 'deep/er/c.txt' })).toMatchObject({ body: { path: 'deep/er/c.txt' } });
  expect(readFileSync(at('deep/er/c.txt'), 'utf8')).toBe('old');
});

test('an empty folder comes back too; one with entries, a link and another version stay where they are', async () => {
  const { at, put, remove, restore, files, list } = of;
  mkdirSync(at('empty'));
  const trashId = await remove('empty');
  expect(existsSync(at('empty'))).toBe(false);
  expect(await restore(trashId)).toMatchObject({ status: 200, body: { type: 'directory' } });
  expect(readdirSync(at('empty'))).toEqual([]);
  put('full/d.txt', 'd');
  expect(await ask('DELETE', `${files}/full`)).toMatchObject(refused(409, 'CONFLICT', 'path'));
  expect((await ask('DELETE', `${files}/full/d.txt`, undefined, { 'if-match': '"x"' })).status).toBe(412);
  symlinkSync('full/d.txt', at('to-d'));
  expect(await ask('DELETE', `${files}/to-d`)).toMatchObject(refused(403, 'PERMISSION_DENIED', 'path'));
  expect(readFileSync(at('full/d.txt'), 'utf8')).toBe('d');
  expect(await list()).toMatchObject({ total: 0 });
});

test('the other name of a deleted file can still be read', async () => {
  const { at, put, remove, files } = of;
  put('e.txt', 'e');
  linkSync(at('e.txt'), at('other.txt'));
  await remove('e.txt');
  expect(await ask('GET', `${files}/other.txt`)).toMatchObject({ status: 200, body: { content: 'e' } });
});

test('what is deleted for ever is gone: at once, from the trash, beyond its size, and with its session', async () => {
  const { at, put, list, remove, files, id } = await open();
  put('f.txt', 'f');
  const gone = await ask('DELETE', `${files}/f.txt?permanent=true`);
  expect(gone).toMatchObject({ status: 200, body: { success: true, path: 'f.txt' } });
  expect(gone.body).not.toHaveProperty('trashId');
  put('g.txt', 'g');
  const trashId = await remove('g.txt');
  expect(await ask('DELETE', `${of.files}/trash/${trashId}`)).toMatchObject(refused(404, 'NOT_FOUND', 'trashId'));
  expect(await ask('DELETE', `${files}/trash/${trashId}`)).toMatchObject({ status: 200, body: { path: 'g.txt' } });
  expect(await list()).toMatchObject({ total: 0 });
  const ids: string[] = [];
  for (const name of ['1', '2', '3', '4']) {
    put(name, 'x'.repeat(300));
    ids.push(await remove(name));
  }
  const newest = ids.toReversed().slice(0, 3);
  expect((await list()).files.map((file) => file.trashId)).toEqual(newest);
  const first = await list('?limit=2');
  expect(first).toMatchObject({ total: 3, hasMore: true, nextCursor: newest[1] });
  expect(await list(`?limit=2&cursor=${first.nextCursor}`)).toMatchObject({
    files: [{ trashId: newest[2] }],
    hasMore: false,
  });
  expect(await list('?offset=1&limit=1')).toMatchObject({ files: [{ trashId: newest[1] }], offset: 1 });
  expect(await ask('GET', `${files}/trash?cursor=x`)).toMatchObject(refused(400, 'INVALID_REQUEST', 'cursor'));
  put('large', 'x'.repeat(1001));
  expect(await ask('DELETE', `${files}/large`)).toMatchObject(refused(413, 'PAYLOAD_TOO_LARGE', 'path'));
  expect(existsSync(at('large'))).toBe(true);
  // A folder of the project can have the name of the trash.
  put('trash/mine.txt', 'mine');
  expect((await remove('trash/mine.txt')).length).toBeGreaterThan(10);
  expect(existsSync(at('trash/mine.txt'))).toBe(false);
  expect((await ask('DELETE', `/api/sessions/${id}?purge=true`)).status).toBe(200);
  const kept = join(world.daemon.home, 'trash', id);
  await waitUntil('its trash is gone', () => !existsSync(kept));
  await waitUntil('its session is gone', async () => (await ask('GET', `${files}/trash`)).status === 404);
});
