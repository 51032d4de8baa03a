import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { placesSchema } from '../../protocol/projects.js';
import { useWorld } from '../support/world.js';

// No session here has a turn: its child need not be the real CLI.
const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });

const ask = async (method: string, path: string, body?: unknown) => {
  const headers = { 'content-type': 'application/json' };
  const response = await world.daemon.fetch(`/api/projects${path}`, {
    method,
    ...(body !== undefined && { headers, body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, never> };
};
const list = async () => placesSchema.parse((await ask('GET', '')).body).projects;
const refused = (status: number, field: string) => ({ status, body: { error: { details: { field } } } });

test('projects are made, listed with their branch and session, started and forgotten; the files stay', async () => {
  const made = await ask('POST', '', { name: 'shop' });
  const path = join(world.daemon.root, 'shop');
  expect(made).toEqual({ status: 201, body: { name: 'shop', path, isWorking: false } });
  expect((await ask('POST', '', { name: 'shop' })).status).toBe(200);
  execFileSync('git', ['init', '-q', '-b', 'main', path]);
  expect(await list()).toEqual([{ name: 'shop', path, branch: 'main', isWorking: false }]);

  const started = await ask('POST', '/shop/start', { sessionName: 'The shop' });
  expect(started).toMatchObject({ status: 201, body: { workingDirectory: path, reused: false } });
  expect((await ask('POST', '/shop/start', {})).status).toBe(200);
  const { sessionId } = started.body;
  expect((await ask('GET', '/shop')).body).toMatchObject({ sessionId, sessionName: 'The shop', branch: 'main' });

  expect(await ask('DELETE', '/shop?confirm=other')).toMatchObject(refused(400, 'confirm'));
  expect(await ask('DELETE', '/shop')).toMatchObject(refused(400, 'confirm'));
  expect(await ask('DELETE', '/shop?confirm=shop')).toEqual({ status: 200, body: { success: true, name: 'shop' } });
  expect(await list()).toEqual([{ name: 'shop', path, branch: 'main', isWorking: false }]);
  expect(existsSync(path)).toBe(true);
});

test('S2: the branch is read from a file of the repository alone, and only where it names one', async () => {
  const folder = (name: string, head?: string) => {
    mkdirSync(join(world.daemon.root, name, '.git'), { recursive: true });
    if (head !== undefined) writeFileSync(join(world.daemon.root, name, '.git/HEAD'), head);
  };
  folder('detached', `${'ab12cd34'.repeat(5)}\n`);
  folder('secret', 'AUTH_TOKEN=something');
  folder('lines', 'ref: refs/heads/a\nb\n');
  folder('none');
  folder('linked');
  symlinkSync('/etc/hostname', join(world.daemon.root, 'linked/.git/HEAD'));
  mkdirSync(join(world.daemon.root, 'others'));
  symlinkSync('../detached/.git', join(world.daemon.root, 'others/.git'));
  const branches = Object.fromEntries((await list()).map(({ name, branch }) => [name, branch]));
  expect(branches).toMatchObject({ detached: 'ab12cd34' });
  for (const name of ['secret', 'lines', 'none', 'linked', 'others']) expect(branches[name]).toBeUndefined();
});

test.each([
  ['POST', '', { name: '../out' }, 400, 'name'],
  ['POST', '', { name: '.ssh' }, 403, 'name'],
  ['POST', '', {}, 400, 'name'],
  ['GET', '/missing', undefined, 404, 'name'],
  ['POST', '/missing/start', {}, 404, 'name'],
  ['GET', '?limit=0', undefined, 400, 'limit'],
  ['GET', '?limit=201', undefined, 400, 'limit'],
])('O1: %s /api/projects%s %j is refused by its field', async (method, path, body, status, field) => {
  expect(await ask(method, path, body)).toMatchObject(refused(status, field));
});
