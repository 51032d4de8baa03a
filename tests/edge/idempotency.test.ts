/** `Idempotency-Key`: a request runs once, however often it comes, and whatever dies. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ROUTES } from '../../protocol/commands/rest.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { pairDevice } from '../support/identity-world.js';
import { isAlive, waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const folder = mkdtempSync(join(tmpdir(), 'companion-keys-'));
const KILL_POINT_FILE = join(folder, 'point');
const CLOCK_FILE = join(folder, 'offset');
const preload = (name: string) => `--import ${join(import.meta.dirname, '../support', name)}`;
/** No session here has a turn. */
const world = useWorld({
  environment: {
    CLAUDE_PATH: join(import.meta.dirname, '../support/fake-cli.mjs'),
    NODE_OPTIONS: `${preload('moved-clock.mjs')} ${preload('kill-answers.mjs')}`,
    KILL_POINT_FILE,
    CLOCK_FILE,
  },
});
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(CLOCK_FILE, '0');

interface Answer {
  status: number;
  replayed: boolean;
  body: Record<string, unknown> & { error?: { code: string; details?: { field?: string; rule?: string } } };
}

async function post(path: string, key: string | undefined, body: unknown = {}, token?: string): Promise<Answer> {
  const response = await world.daemon.fetch(path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: {
      'content-type': 'application/json',
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
  });
  const replayed = response.headers.get('idempotent-replayed') === 'true';
  return { status: response.status, replayed, body: (await response.json()) as Answer['body'] };
}

const HOUR_MS = 3_600_000;

let keys = 0;
const newKey = () => {
  keys += 1;
  return `key-${keys}`;
};

async function session(): Promise<{ path: string; id: string; directory: string }> {
  const directory = world.daemon.project();
  const { body } = await post('/api/sessions', undefined, { workingDirectory: directory });
  const id = String(body.sessionId);
  return { path: `/api/sessions/${id}`, id, directory };
}

const conflict = (rule: RegExp) => ({
  status: 409,
  replayed: false,
  body: { error: { code: 'CONFLICT', details: { field: 'Idempotency-Key', rule: expect.stringMatching(rule) } } },
});

const file = (content: string) => ({ content, encoding: 'utf-8' });

async function setClock(hours: number): Promise<void> {
  writeFileSync(CLOCK_FILE, String(hours * HOUR_MS));
  process.kill(world.daemon.pid, 'SIGUSR2');
  await waitUntil('the daemon has that time', async () => {
    const { timestamp } = (await (await world.daemon.fetch('/health')).json()) as { timestamp: string };
    return Math.abs(Date.parse(timestamp) - Date.now() - hours * HOUR_MS) < 60_000;
  });
}

async function afterDeath(pid: number): Promise<void> {
  await world.daemon.until(() => !isAlive(pid));
  await world.daemon.restart('SIGKILL');
}

describe('a request with a key', () => {
  test('O1: of 20 at once one runs, and the others get its answer, marked as replayed', async () => {
    const { path, directory } = await session();
    // The first answer of a kind takes a while to be checked: the connections of the 20 would be closed meanwhile.
    await post(`${path}/files/first`, undefined, file('first'));
    const key = newKey();
    const all = await Promise.all(Array.from({ length: 20 }, () => post(`${path}/files/once`, key, file('once'))));
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    for (const { status, body } of all) expect({ status, body }).toEqual({ status: 201, body: all[0]?.body });
    expect(readFileSync(join(directory, 'once'), 'utf8')).toBe('once');
    // Without the key it would be refused.
    expect(await post(`${path}/files/once`, undefined, file('once'))).toMatchObject({ status: 409 });
  });

  test('is answered as before for 24 h and across restarts, by either address; then it runs', async () => {
    const { path, directory } = await session();
    const key = newKey();
    const first = await post(`${path}/files/kept`, key, file('kept'));
    await world.daemon.restart('SIGKILL');
    rmSync(join(directory, 'kept'));
    const again = await post(`${path.replace('/api', '/api/claude-code')}/files/kept`, key, file('kept'));
    expect(again).toEqual({ ...first, replayed: true });
    expect(existsSync(join(directory, 'kept'))).toBe(false);
    await setClock(23.9);
    expect(await post(`${path}/files/kept`, key, file('kept'))).toMatchObject({ status: 201, replayed: true });
    await setClock(24.1);
    expect(await post(`${path}/files/kept`, key, file('kept'))).toMatchObject({ status: 201, replayed: false });
    expect(existsSync(join(directory, 'kept'))).toBe(true);
    await setClock(0);
  });

  test('O1: is refused when the key came with another body, path or query, and nothing changes', async () => {
    const { path, directory } = await session();
    const key = newKey();
    await post(`${path}/files/a`, key, file('a'));
    for (const [at, body] of [
      ['a', file('b')],
      ['b', file('a')],
      ['a?x=1', file('a')],
    ] as const) {
      expect(await post(`${path}/files/${at}`, key, body)).toMatchObject(conflict(/another request/));
    }
    expect(existsSync(join(directory, 'b'))).toBe(false);
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('a');
    const both = newKey();
    const answers = await Promise.all([
      post(`${path}/files/c`, both, file('c')),
      post(`${path}/files/d`, both, file('d')),
    ]);
    expect(answers.map(({ status }) => status).sort((x, y) => x - y)).toEqual([201, 409]);
  });

  test('is the same only for the same person and the same command', async () => {
    const { path, id } = await session();
    const { accessToken } = await pairDevice(world.daemon);
    const key = newKey();
    await post(`${path}/files/mine`, key, file('x'));
    expect(await post(`${path}/files/mine`, key, file('x'), accessToken)).toMatchObject({
      status: 201,
      replayed: true,
    });
    const other = await post(`${path}/interrupt`, key, {});
    expect(other).toMatchObject({ status: 200, replayed: false, body: { sessionId: id } });
  });

  test('O1: one that was refused leaves nothing behind: its key is free', async () => {
    const { path } = await session();
    const key = newKey();
    expect(await post(`${path}/files/free`, key, { content: 7 })).toMatchObject({ status: 400, replayed: false });
    expect(await post(`${path}/files/free`, key, '{')).toMatchObject({ status: 400 });
    const all = await Promise.all(Array.from({ length: 5 }, () => post(`${path}/files/free`, key, { content: 7 })));
    for (const answer of all) expect(answer).toMatchObject({ status: 400, replayed: false });
    expect(await post(`${path}/files/free`, key, file('x'))).toMatchObject({ status: 201, replayed: false });
  });

  test.each([['a b'], ['ü'], ['x'.repeat(129)], ['']])('O1: the key %j is refused by its name', async (key) => {
    const before = (await world.daemon.fetch('/api/sessions')).json();
    const workingDirectory = world.daemon.project();
    const refused = await post('/api/sessions', encodeURI(key) === key ? key : `${key} `, { workingDirectory });
    expect(refused).toMatchObject({ status: 400, body: { error: { details: { field: 'Idempotency-Key' } } } });
    expect(((await (await world.daemon.fetch('/api/sessions')).json()) as { total: number }).total).toBe(
      ((await before) as { total: number }).total,
    );
  });

  test.each(ROUTES.filter(({ method, local }) => method === 'POST' && !local))(
    'O1: $path reads the key, as every POST does',
    async ({ path }) => {
      expect(await post(path.replaceAll(/[:*]\w+/g, 'x'), 'two words')).toMatchObject({
        status: 400,
        body: { error: { details: { field: 'Idempotency-Key' } } },
      });
    },
  );

  test('S1: an answer with a credential is never on the disk, and is repeated while the daemon runs', async () => {
    const key = newKey();
    const [first, second] = [await post('/api/auth/ticket', key), await post('/api/auth/ticket', key)];
    expect(second).toEqual({ ...first, replayed: true });
    const database = openDatabase(join(world.daemon.home, 'journal.db'));
    const rows = JSON.stringify(database.prepare('SELECT * FROM answers').all());
    database.close();
    expect(rows).toContain('createTicket');
    expect(rows).not.toContain(String(first?.body.ticket));
    expect(rows).not.toContain(key);
    await world.daemon.restart('SIGTERM');
    const third = await post('/api/auth/ticket', key);
    expect(third).toMatchObject({ status: 200, replayed: false });
    expect(third.body.ticket).not.toBe(first?.body.ticket);
  });

  test('H3: answers go with the session that they are about', async () => {
    const workingDirectory = world.daemon.project();
    const made = await post('/api/sessions', newKey(), { workingDirectory });
    const id = String(made.body.sessionId);
    await post(`/api/sessions/${id}/interrupt`, newKey(), {});
    const rowsOf = () => {
      const database = openDatabase(join(world.daemon.home, 'journal.db'));
      const count = database.prepare('SELECT COUNT(*) FROM answers WHERE session_id = ?').pluck().get(id);
      database.close();
      return count;
    };
    expect(rowsOf()).toBe(2);
    await world.daemon.fetch(`/api/sessions/${id}?purge=true`, { method: 'DELETE' });
    await waitUntil('they are gone', () => rowsOf() === 0);
  });
});

describe('the daemon is killed between the effect and the answer', () => {
  test.each(['before-keeping', 'before-answering'])('a file is written once: %s', async (point) => {
    const { path, directory } = await session();
    const [key, { pid }] = [newKey(), world.daemon];
    writeFileSync(KILL_POINT_FILE, point);
    await expect(post(`${path}/files/once`, key, file('once'))).rejects.toThrow();
    await afterDeath(pid);
    expect(readFileSync(join(directory, 'once'), 'utf8')).toBe('once');
    const again = await post(`${path}/files/once`, key, file('once'));
    // Its answer was kept, or it is refused as any other that exists.
    if (point === 'before-answering') expect(again).toMatchObject({ status: 201, replayed: true });
    else expect(again).toMatchObject({ status: 409, body: { error: { details: { field: 'path' } } } });
  });

  test('a session is opened once, and joined by the next request', async () => {
    const [key, { pid }] = [newKey(), world.daemon];
    const body = { workingDirectory: world.daemon.project() };
    writeFileSync(KILL_POINT_FILE, 'before-keeping');
    await expect(post('/api/sessions', key, body)).rejects.toThrow();
    await afterDeath(pid);
    const again = await post('/api/sessions', key, body);
    expect(again).toMatchObject({ status: 200, body: { reused: true } });
    expect(await post('/api/sessions', key, body)).toMatchObject({ status: 200, replayed: true });
  });

  test('what must not happen twice is refused, as its outcome is unknown, and nothing runs', async () => {
    const { path } = await session();
    const [key, { pid }] = [newKey(), world.daemon];
    writeFileSync(KILL_POINT_FILE, 'before-keeping');
    await expect(post(`${path}/interrupt`, key, {})).rejects.toThrow();
    await afterDeath(pid);
    expect(await post(`${path}/interrupt`, key, {})).toMatchObject(conflict(/may have run/));
    expect(await post(`${path}/interrupt`, newKey(), {})).toMatchObject({ status: 200, replayed: false });
  });
});
