import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { useWorld } from '../support/world.js';

const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });
const at = (...names: string[]) => join(world.daemon.root, ...names);

const ask = async (method: string, path: string, { body, token }: { body?: object; token?: string } = {}) => {
  const headers = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const options = { method, headers, ...(body && { body: JSON.stringify(body) }) };
  const response = await world.daemon.fetch(`/api/${path}`, options);
  return { status: response.status, body: (await response.json()) as Record<string, never> };
};
const remove = (name: string, token?: string) =>
  ask('DELETE', `projects/${name}?confirm=${name}&files=true`, token === undefined ? {} : { token });
const refused = (status: number, field: string) => ({ status, body: { error: { details: { field } } } });
const hidden = () => readdirSync(at()).filter((name) => name.startsWith('.'));

test('a root is not removed, and keeps its session', async () => {
  mkdirSync(at('kept'));
  const started = await ask('POST', 'sessions', { body: { workingDirectory: at() } });
  const refusal = { status: 403, body: { error: { code: 'PERMISSION_DENIED', details: { field: 'name' } } } };
  expect(await remove('projects')).toMatchObject(refusal);
  expect(existsSync(at('kept'))).toBe(true);
  expect((await ask('GET', `sessions/${String(started.body.sessionId)}`)).status).toBe(200);
});

test('a repository with other working trees stays; one of them is removed from its list', async () => {
  const git = (...args: string[]) => execFileSync('git', ['-C', at('tree'), ...args], { encoding: 'utf8' });
  mkdirSync(at('tree'));
  git('init', '-q', '-b', 'main');
  git('-c', 'user.name=A', '-c', 'user.email=a@example.org', 'commit', '-q', '--allow-empty', '-m', 'Begin');
  git('worktree', 'add', '-q', '-b', 'side', at('side'));
  expect(await remove('tree')).toMatchObject(refused(409, 'name'));
  expect(existsSync(at('side/.git'))).toBe(true);
  expect((await remove('side')).status).toBe(200);
  expect(git('worktree', 'list').trim().split('\n')).toHaveLength(1);
  expect((await remove('tree')).status).toBe(200);
  expect(existsSync(at('tree'))).toBe(false);
});

test('a project is removed with its files after its session has ended; what its links lead to stays', async () => {
  const outside = at('../outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'kept.txt'), 'kept');
  mkdirSync(at('shop/src/deep'), { recursive: true });
  writeFileSync(at('shop/src/deep/a.txt'), 'a');
  symlinkSync(outside, at('shop/link'));
  symlinkSync(join(outside, 'kept.txt'), at('shop/src/file-link'));
  const started = await ask('POST', 'projects/shop/start', { body: {} });
  const { sessionId } = started.body;
  expect(await ask('DELETE', 'projects/shop?confirm=other&files=true')).toMatchObject(refused(400, 'confirm'));
  expect(await ask('DELETE', 'projects/shop?confirm=shop&files=yes')).toMatchObject(refused(400, 'files'));
  expect(existsSync(at('shop/src/deep/a.txt'))).toBe(true);
  expect(await remove('shop')).toEqual({ status: 200, body: { success: true, name: 'shop' } });
  expect(existsSync(at('shop'))).toBe(false);
  expect(readFileSync(join(outside, 'kept.txt'), 'utf8')).toBe('kept');
  expect(world.daemon.sessionProcesses(String(sessionId))).toEqual([]);
  expect(await ask('GET', `sessions/${String(sessionId)}`)).toMatchObject({ status: 404 });
  expect(hidden()).toEqual([]);
  expect(readdirSync(join(world.daemon.home, 'clones'))).toEqual([]);
});

test('files are removed only with the scopes files and approve', async () => {
  mkdirSync(at('guarded'));
  for (const scopes of [
    ['read', 'prompt', 'files'],
    ['read', 'prompt', 'approve'],
  ]) {
    const { body } = await ask('POST', 'keys', { body: { name: scopes.join('-'), scopes } });
    const refusal = await remove('guarded', String(body.key));
    expect(refusal).toMatchObject({ status: 403, body: { error: { code: 'PERMISSION_DENIED' } } });
  }
  expect(existsSync(at('guarded'))).toBe(true);
});

test('a directory with another session below it stays, with its own session', async () => {
  mkdirSync(at('mono/part'), { recursive: true });
  await ask('POST', 'projects/mono/start', { body: {} });
  await ask('POST', 'sessions', { body: { workingDirectory: at('mono/part') } });
  expect(await remove('mono')).toMatchObject(refused(409, 'name'));
  expect(existsSync(at('mono/part'))).toBe(true);
  expect((await ask('GET', 'projects/mono')).body).toHaveProperty('sessionId');
});

test('what a killed daemon was removing is removed at the next start', async () => {
  const staging = at('.companion-clone-0123456789abcdef');
  mkdirSync(join(staging, 'gone/src'), { recursive: true });
  await world.daemon.kill('SIGKILL');
  writeFileSync(join(world.daemon.home, 'clones/0123456789abcdef'), staging);
  await world.daemon.start();
  await world.daemon.until(() => hidden().length === 0);
  expect(readdirSync(join(world.daemon.home, 'clones'))).toEqual([]);
});
