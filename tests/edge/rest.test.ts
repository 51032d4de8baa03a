import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import * as z from 'zod';
import { MAX_EVENT_FRAME_BYTES } from '../../protocol/limits.js';
import {
  type ErrorBody,
  errorBodySchema,
  healthSchema,
  type SessionView,
  sessionViewSchema,
} from '../../protocol/rest.js';
import { sessionStatusSchema } from '../../protocol/scalars.js';
import { serverEnvelopeSchema } from '../../protocol/server-frames.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { anyCharacter } from '../support/any-character.js';
import { countOf } from '../support/counts.js';
import { scenario } from '../support/scripted-api.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const KIB = 1024;
/** Most sessions here have no turn: their children need not be the real CLI. */
const world = useWorld({ environment: { CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs') } });
/** For those that have one. */
const real = useWorld();

interface Reply {
  status: number;
  body: Record<string, unknown>;
  requestId: string | null;
}

/** A session that is not closed: of an earlier test, or a new one. */
async function anyOpen(): Promise<SessionView> {
  const { sessions } = await list();
  return sessions.find(({ status }) => status !== 'closed') ?? (await opened());
}

async function ask(path: string, method = 'GET', body?: unknown, { daemon } = world): Promise<Reply> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await daemon.fetch(path, {
    method,
    ...(text !== undefined && { body: text, headers: { 'content-type': 'application/json' } }),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  return { status: response.status, body: answer, requestId: response.headers.get('x-request-id') };
}

const BASE = '/api/sessions';
const create = (body: unknown, base = BASE) => ask(base, 'POST', body);

/** Of a child that is just ending the memory is not looked at. */
const viewOf = ({ body }: Pick<Reply, 'body'>): SessionView => {
  const view = sessionViewSchema.strict().parse({ ...body, memoryBytes: body.memoryBytes ?? undefined });
  expect(view.sessionId).toBe(view.id);
  expect(view.projectPath).toBe(view.workingDirectory);
  return view;
};

const view = async (id: string) => viewOf(await ask(`${BASE}/${id}`));

async function opened(body: Record<string, unknown> = {}): Promise<SessionView> {
  const reply = await create({ workingDirectory: world.daemon.project(), ...body });
  expect(reply.status).toBe(201);
  return viewOf(reply);
}

const untilIdle = (id: string) => waitUntil(`${id} is idle`, async () => (await view(id)).status === 'idle');

/** The error of a refused request, in its envelope, with the request id of its header. */
function errorOf({ status, body, requestId }: Reply): ErrorBody['error'] {
  const { error } = errorBodySchema.strict().parse(body);
  expect(error).toMatchObject({ status, requestId });
  return error;
}

/** What must be as it was after a request that was refused. */
async function state(): Promise<unknown> {
  const { sessions } = (await ask(`${BASE}?limit=1000`)).body as { sessions: SessionView[] };
  const stable = ({ id, sessionName, model, permissionMode, context, metadata, createdAt }: SessionView) => {
    return { id, sessionName, model, permissionMode, context, metadata, createdAt };
  };
  return sessions.map(stable).sort((a, b) => a.id.localeCompare(b.id));
}

/** Fields of an error as they are, or matchers of them. */
type Expected = { [Field in keyof ErrorBody['error']]?: unknown };

async function expectRefused(asked: () => Promise<Reply>, expected: Expected): Promise<void> {
  const before = await state();
  expect(errorOf(await asked())).toMatchObject(expected);
  expect(await state()).toEqual(before);
}

const refusedBy = (field: string): Expected => ({
  status: 400,
  code: 'INVALID_REQUEST',
  details: { field, rule: expect.stringMatching(/./) },
});

const tooLarge = (field: string): Expected => ({
  status: 413,
  code: 'PAYLOAD_TOO_LARGE',
  details: { field },
});

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

describe('how the daemon does', () => {
  test('/live and /ready answer 200, and /health tells all there is', async () => {
    expect(await ask('/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await ask('/ready')).toMatchObject({ status: 200, body: { status: 'ready' } });
    await waitUntil('the CLI was asked', async () => (await ask('/health')).body.status === 'healthy');
    const { status, body } = await ask('/health');
    expect(status).toBe(200);
    const health = healthSchema.strict().parse(body);
    expect(health).toMatchObject({ ok: true, claudeCodeAvailable: true, checks: { database: 'ok', claude: 'ok' } });
    expect(Math.abs(Date.parse(health.timestamp) - Date.now())).toBeLessThan(60_000);
  });

  test('/health counts the sessions that have a child', async () => {
    const count = async () => healthSchema.parse((await ask('/health')).body).active_sessions;
    const before = await count();
    const { id } = await opened();
    await waitUntil('there is one more', async () => (await count()) === before + 1);
    await ask(`${BASE}/${id}`, 'DELETE');
    await waitUntil('it is gone', async () => (await count()) === before);
  });
});

describe.each([['/api/sessions'], ['/api/claude-code/sessions']])('POST %s', (base) => {
  test('opens a session with 201, and joins it with 200 and reused: true', async () => {
    const workingDirectory = world.daemon.project();
    const first = await create({ workingDirectory }, base);
    expect(first.status).toBe(201);
    expect(viewOf(first)).toMatchObject({ workingDirectory, reused: false, messageCount: 0, queueDepth: 0 });
    const again = await create({ workingDirectory }, base);
    expect(again.status).toBe(200);
    expect(viewOf(again)).toMatchObject({ id: first.body.id, reused: true });
    expect(viewOf(await ask(`${base}/${String(first.body.id)}`)).id).toBe(first.body.id);
  });
});

describe('POST /api/sessions', () => {
  test('takes the directory from workingDirectory, projectPath or folderName', async () => {
    const path = world.daemon.project('three-names');
    const bodies = [
      { workingDirectory: path },
      { projectPath: path },
      { folderName: 'three-names' },
      { workingDirectory: 'three-names' },
    ];
    const ids = (await Promise.all(bodies.map((body) => create(body)))).map(viewOf);
    expect(new Set(ids.map(({ id }) => id)).size).toBe(1);
    expect(ids.filter(({ reused }) => reused)).toHaveLength(3);
    expect(ids[0]).toMatchObject({ workingDirectory: path, projectName: 'three-names' });
  });

  test('keeps name, model, mode, context and metadata', async () => {
    const given = {
      sessionName: 'Ünïcode "quoted"',
      model: 'haiku',
      permissionMode: 'plan',
      context: 'Line one.\nLine two.',
      metadata: { ticket: 7, nested: { list: [1, null, 'x'], __proto__: { a: 1 } } },
    } as const;
    const { id } = await opened(given);
    expect(await view(id)).toMatchObject(given);
    await untilIdle(id);
    expect(await view(id)).toMatchObject({ ...given, model: expect.stringContaining('haiku') });
  });

  test.each<[string, Record<string, unknown>]>([
    ['no directory', {}],
    ['two directories', { workingDirectory: '.', projectPath: '.' }],
    ['the same directory twice', { projectPath: '.', folderName: '.' }],
    ['three directories', { workingDirectory: '.', projectPath: '.', folderName: '.' }],
  ])('O1: with %s is refused by that field', async (_what, body) => {
    await expectRefused(() => create(body), refusedBy('workingDirectory'));
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['an empty directory', { workingDirectory: '' }, 'workingDirectory'],
    ['a number for a directory', { workingDirectory: 7 }, 'workingDirectory'],
    ['null for a directory', { projectPath: null }, 'projectPath'],
    ['a list for a folder', { folderName: ['a'] }, 'folderName'],
    ['a NUL in a folder', { folderName: 'a\0b' }, 'folderName'],
    ['a number for a name', { workingDirectory: '.', sessionName: 7 }, 'sessionName'],
    ['an option for a model', { workingDirectory: '.', model: '--help' }, 'model'],
    ['an unknown mode', { workingDirectory: '.', permissionMode: 'yolo' }, 'permissionMode'],
    ['an option for a tool', { workingDirectory: '.', allowedTools: ['Read', '--x'] }, 'allowedTools.1'],
    ['a NUL in a tool', { workingDirectory: '.', allowedTools: ['Bash\0'] }, 'allowedTools.0'],
    ['a text for the tools', { workingDirectory: '.', allowedTools: 'Read' }, 'allowedTools'],
    ['a text for fork', { workingDirectory: '.', fork: 'yes' }, 'fork'],
    ['no UUID to resume', { workingDirectory: '.', resume: 'last' }, 'resume'],
    ['a list for metadata', { workingDirectory: '.', metadata: [] }, 'metadata'],
    ['metadata nested too deep', { workingDirectory: '.', metadata: JSON.parse(nested(100)) }, 'metadata'],
  ])('O1: with %s is refused by that field, and makes no session', async (_what, body, field) => {
    await expectRefused(() => create(body), refusedBy(field));
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['a path', { workingDirectory: 'x'.repeat(64 * KIB + 1) }, 'workingDirectory'],
    ['a context', { workingDirectory: '.', context: 'ä'.repeat(32 * KIB + 1) }, 'context'],
    ['metadata', { workingDirectory: '.', metadata: { x: 'x'.repeat(64 * KIB) } }, 'metadata'],
  ])('O1: with %s over 64 KiB is refused with 413 by that field', async (_what, body, field) => {
    await expectRefused(() => create(body), tooLarge(field));
  });

  test('O1: bypassPermissions is refused by its field, where its owner has not allowed it', async () => {
    const body = { workingDirectory: world.daemon.project(), permissionMode: 'bypassPermissions' };
    const denied = { status: 403, code: 'PERMISSION_DENIED', details: { field: 'permissionMode' } } as const;
    await expectRefused(() => create(body), denied);
  });
});

describe('any body', () => {
  test.each([
    ['half of an object', '{"workingDirectory":'],
    ['nothing like JSON', 'workingDirectory=.'],
    ['null', 'null'],
    ['a text', '"."'],
    ['a list', '[{"workingDirectory":"."}]'],
  ])('O1: that is %s is refused with 400', async (_what, body) => {
    await expectRefused(() => create(body), refusedBy('body'));
  });

  test('O1: nested deeper than a stack is refused with 400', async () => {
    const body = `{"workingDirectory":".","metadata":${nested(50_000)}}`;
    await expectRefused(() => create(body), refusedBy('body'));
  });

  test('O1: over the limit is refused with 413', async () => {
    const body = JSON.stringify({ workingDirectory: '.', context: 'x'.repeat(1024 * KIB) });
    await expectRefused(() => create(body), tooLarge('body'));
  });

  test('O1: of another content type is refused for that', async () => {
    const response = await world.daemon.fetch(BASE, {
      method: 'POST',
      body: '{"workingDirectory":"."}',
      headers: { 'content-type': 'text/plain' },
    });
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({
      error: { status: 415, code: 'INVALID_REQUEST', details: { field: 'content-type' } },
    });
  });
});

/** Near the truth, and no directory that exists: nothing of it may start a CLI. */
const anyBody = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      workingDirectory: fc.oneof(
        fc.constantFrom('missing', '..', '/', 7),
        fc.string({ unit: anyCharacter, minLength: 3 }),
      ),
      sessionName: fc.oneof(fc.string({ unit: anyCharacter }), fc.jsonValue()),
      model: fc.oneof(fc.constant('haiku'), fc.jsonValue()),
      permissionMode: fc.oneof(fc.constantFrom('plan', 'bypassPermissions'), fc.jsonValue()),
      allowedTools: fc.oneof(fc.array(fc.string({ unit: anyCharacter })), fc.jsonValue()),
      resume: fc.oneof(fc.uuid(), fc.jsonValue()),
      fork: fc.oneof(fc.boolean(), fc.jsonValue()),
      metadata: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue()),
    },
    { requiredKeys: [] },
  ),
);

const anyRequest = fc.oneof(
  fc.tuple(fc.constant('POST'), fc.constant(BASE), anyBody),
  fc.tuple(fc.constant('PATCH'), fc.constant(`${BASE}/:id/events`), anyBody),
  fc.tuple(fc.constant('PATCH'), fc.constant(`${BASE}/unknown`), anyBody),
  fc.tuple(
    fc.constant('GET'),
    fc.webQueryParameters().map((query) => `${BASE}?limit=1&${query}`),
    fc.constant(undefined),
  ),
  fc.tuple(
    fc.constant('GET'),
    fc.webPath().map((path) => `${BASE}/:id/events${path}`),
    fc.constant(undefined),
  ),
);

// The first values take seconds on a busy machine: between two requests the daemon would close the idle connection.
beforeAll(() => void fc.sample(anyRequest, 50));

test('O1: any body and any query gets an answer in its envelope, and no request fails by itself', async () => {
  const { id } = await anyOpen();
  await fc.assert(
    fc.asyncProperty(anyRequest, async ([method, path, body]) => {
      const reply = await ask(path.replace(':id', id), method, body);
      if (reply.status !== 200) expect([400, 403, 404]).toContain(errorOf(reply).status);
    }),
    { numRuns: countOf({ full: 1000, fast: 100 }) },
  );
});

const pageSchema = z.strictObject({
  sessions: z.array(z.record(z.string(), z.unknown())),
  total: z.int(),
  limit: z.int(),
  offset: z.int(),
});

type Page = Omit<z.infer<typeof pageSchema>, 'sessions'> & { sessions: SessionView[] };

async function list(query = ''): Promise<Page> {
  const { status, body } = await ask(`${BASE}${query}`);
  expect(status).toBe(200);
  const page = pageSchema.parse(body);
  return { ...page, sessions: page.sessions.map((session) => viewOf({ body: session })) };
}

const idsOf = ({ sessions }: Page) => sessions.map(({ id }) => id);

describe('GET /api/sessions', () => {
  test('gives pages that together are all, each session once', async () => {
    // One that changes meanwhile would move to another page.
    for (let made = 0; made < 3; made += 1) await untilIdle((await opened()).id);
    const all = await list();
    expect(all).toMatchObject({ limit: 100, offset: 0, total: all.sessions.length });
    const pages = await Promise.all(all.sessions.map((_, offset) => list(`?limit=1&offset=${offset}`)));
    for (const page of pages) expect(page).toMatchObject({ limit: 1, total: all.total });
    expect(pages.flatMap(idsOf).sort()).toEqual(idsOf(all).sort());
    expect(await list(`?offset=${all.total}`)).toMatchObject({ sessions: [], total: all.total });
  });

  test('filters by directory and by status', async () => {
    const open = await opened();
    const closed = await opened();
    await ask(`${BASE}/${closed.id}`, 'DELETE');
    await untilIdle(open.id);
    expect(idsOf(await list(`?projectPath=${encodeURIComponent(open.projectPath)}`))).toEqual([open.id]);
    expect(await list('?projectPath=/nowhere')).toMatchObject({ sessions: [], total: 0 });
    for (const status of ['active', 'idle']) expect(idsOf(await list(`?status=${status}`))).toContain(open.id);
    for (const status of ['archived', 'closed']) {
      expect(idsOf(await list(`?status=${status}`))).toContain(closed.id);
      expect(idsOf(await list(`?status=${status}`))).not.toContain(open.id);
    }
    for (const status of sessionStatusSchema.options) {
      for (const session of (await list(`?status=${status}`)).sessions) expect(session.status).toBe(status);
    }
    const groups = await Promise.all(['active', 'inactive', 'archived'].map((status) => list(`?status=${status}`)));
    expect(groups.flatMap(idsOf).sort()).toEqual(idsOf(await list()).sort());
  });

  test.each([
    ['status=busy', 'status'],
    ['status=', 'status'],
    ['status=idle&status=closed', 'status'],
    ['limit=0', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['limit=1e400', 'limit'],
    ['offset=-1', 'offset'],
    ['offset=x', 'offset'],
    ['offset=99999999999999999999', 'offset'],
    ['projectPath=', 'projectPath'],
    ['projectPath=a&projectPath=b', 'projectPath'],
  ])('O1: with %s is refused by that field', async (query, field) => {
    await expectRefused(() => ask(`${BASE}?${query}`), refusedBy(field));
  });
});

describe('PATCH /api/sessions/:id', () => {
  test('changes what is given and leaves the rest, also in the live child', async () => {
    const { id } = await opened({ sessionName: 'before', metadata: { a: 1 } });
    await untilIdle(id);
    const patched = viewOf(await ask(`${BASE}/${id}`, 'PATCH', { permissionMode: 'acceptEdits', context: 'New.' }));
    expect(patched).toMatchObject({ id, sessionName: 'before', permissionMode: 'acceptEdits', context: 'New.' });
    await ask(`${BASE}/${id}`, 'PATCH', { sessionName: '', metadata: { b: 2 } });
    const { sessionName, metadata, permissionMode } = await view(id);
    expect({ sessionName, metadata, permissionMode }).toEqual({
      sessionName: '',
      metadata: { b: 2 },
      permissionMode: 'acceptEdits',
    });
  });

  test.each<[string, unknown, string]>([
    ['nothing', {}, 'body'],
    ['no body', undefined, 'body'],
    ['only what it does not know', { status: 'idle', workingDirectory: '/' }, 'body'],
    ['a list', ['sessionName'], 'body'],
    ['an unknown mode', { permissionMode: 'yolo' }, 'permissionMode'],
    ['a mode in other letters', { permissionMode: 'Plan' }, 'permissionMode'],
    ['null for a name', { sessionName: null }, 'sessionName'],
    ['an option for a model', { model: '-p' }, 'model'],
    ['a right and a wrong field', { sessionName: 'right', model: 7 }, 'model'],
    ['a text for metadata', { metadata: 'x' }, 'metadata'],
    ['metadata nested too deep', { metadata: JSON.parse(nested(100)) }, 'metadata'],
  ])('O1: with %s is refused by that field, and changes nothing', async (_what, body, field) => {
    const { id } = await anyOpen();
    await expectRefused(() => ask(`${BASE}/${id}`, 'PATCH', body), refusedBy(field));
  });

  test('O1: bypassPermissions is refused by its field', async () => {
    const { id } = await anyOpen();
    const denied = { status: 403, code: 'PERMISSION_DENIED', details: { field: 'permissionMode' } } as const;
    await expectRefused(() => ask(`${BASE}/${id}`, 'PATCH', { permissionMode: 'bypassPermissions' }), denied);
  });
});

const rowsOf = (sessionId: string, { daemon } = world): Record<string, number> => {
  const database = openDatabase(join(daemon.home, 'journal.db'));
  const tables = ['sessions', 'events', 'prompts', 'permissions', 'cursors'];
  const count = (table: string) =>
    database.prepare(`SELECT COUNT(*) FROM ${table} WHERE session_id = ?`).pluck().get(sessionId);
  const rows = Object.fromEntries(tables.map((table) => [table, Number(count(table))]));
  database.close();
  return rows;
};

describe('DELETE /api/sessions/:id', () => {
  test('H3: closes the session, ends its child and keeps the record; POST opens it again', async () => {
    const { id, workingDirectory } = await opened({ sessionName: 'kept' });
    await untilIdle(id);
    expect(world.daemon.sessionProcesses(id).length).toBeGreaterThan(0);
    const { status, body } = await ask(`${BASE}/${id}`, 'DELETE');
    expect(status).toBe(200);
    const { success, ...closed } = body;
    expect(success).toBe(true);
    expect(viewOf({ body: closed })).toMatchObject({ id, status: 'closed' });
    await waitUntil('its child is gone', () => world.daemon.sessionProcesses(id).length === 0);
    expect(await view(id)).toMatchObject({ status: 'closed', sessionName: 'kept' });
    expect((await ask(`${BASE}/${id}`, 'DELETE')).status).toBe(200);
    expect(viewOf(await create({ workingDirectory }))).toMatchObject({ id, reused: true, sessionName: 'kept' });
    expect((await view(id)).status).not.toBe('closed');
  });

  const look = (id: string) => ask(`${BASE}/${id}`, 'GET', undefined, real);
  const purge = (id: string) => ask(`${BASE}/${id}?purge=true`, 'DELETE', undefined, real);

  test('H3: with ?purge=true forgets the session: its child, its rows and its folder', async () => {
    const client = await real.connect();
    await client.request('subscribe', { events: ['*'] });
    const workingDirectory = real.daemon.project();
    const prompt = scenario({ tools: [{ name: 'Bash', input: { command: 'touch asked' } }] }, { text: 'Done.' });
    const { data } = await client.request('streamStart', { prompt, workingDirectory });
    const { sessionId: id } = data;
    await client.waitFor('permissionRequest');
    await waitUntil('there are rows of each kind', () => Object.values(rowsOf(id, real)).every((count) => count > 0));
    expect((await purge(id)).status).toBe(200);
    await waitUntil('it is forgotten', async () => (await look(id)).status === 404);
    await waitUntil('no row is left', () => Object.values(rowsOf(id, real)).every((count) => count === 0));
    await waitUntil('its folder is gone', () => !existsSync(join(real.daemon.home, 'run', id)));
    expect(real.daemon.sessionProcesses(id)).toEqual([]);
    expect(errorOf(await purge(id))).toMatchObject({
      code: 'SESSION_NOT_FOUND',
    });
    const second = await ask(BASE, 'POST', { workingDirectory }, real);
    expect(second.status).toBe(201);
    expect(second.body.id).not.toBe(id);
  });

  test('H3: with ?purge=true forgets also a session that was just closed, whose child is still ending', async () => {
    const { id } = await opened();
    await untilIdle(id);
    await ask(`${BASE}/${id}`, 'DELETE');
    expect((await ask(`${BASE}/${id}?purge=true`, 'DELETE')).status).toBe(200);
    await waitUntil('it is forgotten', async () => (await ask(`${BASE}/${id}`)).status === 404);
    await waitUntil('no row is left', () => Object.values(rowsOf(id)).every((count) => count === 0));
  });

  test('H3: with ?purge=true forgets the session also where its CLI outlives the daemon that was asked', async () => {
    const client = await real.connect();
    const prompt = scenario({ tools: [{ name: 'Bash', input: { command: 'touch asked' } }] }, { text: 'Done.' });
    const { data } = await client.request('streamStart', { prompt, workingDirectory: real.daemon.project() });
    const { sessionId: id } = data;
    await client.waitFor('permissionRequest');
    const [pid = 0] = real.daemon.sessionProcesses(id);
    // It does not hear that it shall end.
    process.kill(pid, 'SIGSTOP');
    expect((await purge(id)).status).toBe(200);
    await real.daemon.kill('SIGKILL');
    process.kill(pid, 'SIGCONT');
    expect(rowsOf(id, real).sessions).toBe(1);
    await real.daemon.start();
    await waitUntil('it is forgotten', async () => (await look(id)).status === 404);
    await waitUntil('no row is left', () => Object.values(rowsOf(id, real)).every((count) => count === 0));
    await waitUntil('nothing runs', () => real.daemon.sessionProcesses(id).length === 0);
  });

  test('H3: with the reason `purged`, which any client may give, a session is closed and kept', async () => {
    const client = await world.connect();
    const { id } = await opened();
    await untilIdle(id);
    await client.request('streamClose', { sessionId: id as never, reason: 'purged' });
    await waitUntil('its child is gone', () => world.daemon.sessionProcesses(id).length === 0);
    await world.daemon.restart('SIGTERM');
    expect(await view(id)).toMatchObject({ status: 'closed' });
  });

  test.each([['purge=yes'], ['purge='], ['purge=true&purge=true'], ['purge=TRUE']])(
    'O1: with %s is refused by that field, and closes nothing',
    async (query) => {
      const { id } = await anyOpen();
      await expectRefused(() => ask(`${BASE}/${id}?${query}`, 'DELETE'), refusedBy('purge'));
      expect((await view(id)).status).not.toBe('closed');
    },
  );
});

interface Spoken {
  content: { type: string; text: string }[];
}

describe('GET /api/sessions/:id/events/:seq', () => {
  test('gives the whole of every event, also of one that was cut for its frame', async () => {
    const client = await real.connect();
    const text = 'All of it. '.repeat(40_000);
    const prompt = scenario({ text, chunk: 50_000 });
    await client.request('streamStart', { prompt, workingDirectory: real.daemon.project() });
    const { sessionId = '', epoch } = await client.waitFor('streamComplete');
    const wholes: Record<string, string> = { humanMessage: prompt, assistantMessage: text };
    for (const { seq, type, data } of client.events(sessionId)) {
      const { status, body } = await ask(`${BASE}/${sessionId}/events/${String(seq)}`, 'GET', undefined, real);
      expect(status).toBe(200);
      expect(serverEnvelopeSchema.parse({ requestId: null, ...body })).toMatchObject({ type, seq, epoch, sessionId });
      expect(Buffer.byteLength(JSON.stringify(data))).toBeLessThan(MAX_EVENT_FRAME_BYTES);
      const whole = wholes[type];
      if (whole === undefined) expect(body.data).toEqual(data);
      else {
        expect(data).toMatchObject({ truncated: true });
        expect((body.data as Spoken).content).toEqual([{ type: 'text', text: whole }]);
      }
    }
  });

  test.each([
    ['0', 404, 'NOT_FOUND'],
    ['9007199254740991', 404, 'NOT_FOUND'],
    ['-1', 400, 'INVALID_REQUEST'],
    ['1.5', 400, 'INVALID_REQUEST'],
    ['last', 400, 'INVALID_REQUEST'],
    ['9007199254740992', 400, 'INVALID_REQUEST'],
    ['%00', 400, 'INVALID_REQUEST'],
  ])('O1: of event %s answers %i and names seq', async (seq, status, code) => {
    const { id } = await anyOpen();
    const error = errorOf(await ask(`${BASE}/${id}/events/${seq}`));
    expect(error).toMatchObject({ status, code, details: { field: 'seq' } });
  });
});

describe('what is not there', () => {
  test.each([
    ['GET', '/api/sessions/unknown'],
    ['PATCH', '/api/sessions/unknown'],
    ['DELETE', '/api/sessions/unknown'],
    ['DELETE', '/api/claude-code/sessions/unknown'],
    ['GET', '/api/sessions/unknown/events/1'],
    ['GET', '/api/sessions/__proto__'],
    ['GET', '/api/sessions/%2e%2e%2fetc'],
    ['GET', `/api/sessions/${'x'.repeat(10_000)}`],
  ])('a session that does not exist: %s %s answers 404 SESSION_NOT_FOUND', async (method, path) => {
    const body = method === 'PATCH' ? { sessionName: 'x' } : undefined;
    expect(errorOf(await ask(path, method, body))).toMatchObject({ status: 404, code: 'SESSION_NOT_FOUND' });
  });

  test.each([
    ['GET', '/'],
    ['GET', '/nothing'],
    ['GET', '/api/sessions/unknown/nothing'],
    ['POST', '/local/token'],
    ['POST', '/local/stop'],
    ['GET', '/ws'],
  ])('an address that does not exist: %s %s answers 404 NOT_FOUND', async (method, path) => {
    expect(errorOf(await ask(path, method))).toMatchObject({ status: 404, code: 'NOT_FOUND' });
  });

  test('O1: an address that is no UTF-8 is refused by its path', async () => {
    expect(errorOf(await ask('/api/sessions/%E0%A4%A'))).toMatchObject(refusedBy('path'));
  });

  test('a list filters by the real directory, whatever link a session was opened by', async () => {
    const { workingDirectory } = await opened();
    const link = join(world.daemon.root, 'a-link');
    symlinkSync(workingDirectory, link);
    const joined = viewOf(await create({ projectPath: link }));
    expect(joined).toMatchObject({ reused: true, projectPath: workingDirectory });
  });
});
