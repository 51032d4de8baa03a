import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type GitServer, startGitServer } from '../support/git-server.js';
import { waitUntil } from '../support/wait-until.js';
import { useWorld } from '../support/world.js';

const CLAUDE_PATH = join(import.meta.dirname, '../support/fake-cli.mjs');
const world = useWorld({ environment: { CLAUDE_PATH } });
let server: GitServer;
beforeAll(async () => {
  server = await startGitServer();
});
afterAll(() => server.close());

const at = (...names: string[]) => join(world.daemon.root, ...names);
const git = (folder: string, ...args: string[]) => server.git(at(folder), ...args);

/** A project with one commit. */
function project(name: string, fill = (folder: string) => writeFileSync(join(folder, 'page.txt'), 'as it is\n')) {
  mkdirSync(at(name));
  git(name, 'init', '-q', '-b', 'main');
  fill(at(name));
  git(name, 'add', '-A');
  git(name, 'commit', '-q', '-m', 'Begin');
}

const add = async (name: string, body: object) => {
  const headers = { 'content-type': 'application/json' };
  const options = { method: 'POST', headers, body: JSON.stringify(body) };
  const response = await world.daemon.fetch(`/api/projects/${name}/worktrees`, options);
  return { status: response.status, body: (await response.json()) as Record<string, never> };
};
const refused = (status: number, field: string) => ({ status, body: { error: { details: { field } } } });
const hidden = () => readdirSync(world.daemon.root).filter((name) => name.startsWith('.'));

test('a working tree is added as a project, with a branch that is there or a new one', async () => {
  project('shop');
  git('shop', 'branch', 'feature/cart');
  const made = await add('shop', { branch: 'feature/cart' });
  const path = at('shop-feature-cart');
  const view = { name: 'shop-feature-cart', path, branch: 'feature/cart', isWorking: false };
  expect(made).toEqual({ status: 201, body: view });
  expect(readFileSync(join(path, 'page.txt'), 'utf8')).toBe('as it is\n');
  expect(git('shop-feature-cart', 'status', '--porcelain')).toBe('');
  expect(git('shop', 'worktree', 'list', '--porcelain')).toContain(`worktree ${path}\n`);
  expect(git('shop', 'worktree', 'prune', '-v', '--expire=now')).toBe('');

  expect(await add('shop', { branch: 'main', newBranch: 'fix', name: 'mended' })).toMatchObject({
    status: 201,
    body: { name: 'mended', branch: 'fix' },
  });
  // Of a working tree that was added itself.
  expect(await add('mended', { branch: 'fix', newBranch: 'fix-2' })).toMatchObject({ body: { name: 'mended-fix-2' } });
  expect(hidden()).toEqual([]);
});

test('a branch of origin becomes one here, which follows it', async () => {
  const work = server.add('far', (folder) => writeFileSync(join(folder, 'far.txt'), 'far'));
  server.git(join(work, '../../far.git'), 'branch', 'theirs');
  server.git(at(), 'clone', '-q', `file://${join(work, '../../far.git')}`, 'far');
  expect(await add('far', { branch: 'theirs' })).toMatchObject({ status: 201, body: { branch: 'theirs' } });
  expect(git('far-theirs', 'rev-parse', '--abbrev-ref', 'theirs@{upstream}').trim()).toBe('origin/theirs');
});

test('O1: what stands in the way is told by its field, and changes nothing', async () => {
  project('strict');
  mkdirSync(at('plain'));
  mkdirSync(at('taken'));
  expect(await add('strict', { branch: 'main' })).toMatchObject(refused(409, 'branch'));
  expect(await add('strict', { branch: 'nothing' })).toMatchObject(refused(404, 'branch'));
  expect(await add('strict', { branch: 'main', newBranch: 'main' })).toMatchObject(refused(409, 'newBranch'));
  expect(await add('strict', { branch: 'main', newBranch: 'main/deeper' })).toMatchObject(refused(409, 'newBranch'));
  expect(await add('strict', { branch: 'main', newBranch: 'b', name: 'taken' })).toMatchObject(refused(409, 'name'));
  expect(await add('strict', { branch: 'main', newBranch: 'b', name: '.git' })).toMatchObject(refused(403, 'name'));
  expect(await add('plain', { branch: 'main' })).toMatchObject(refused(409, 'name'));
  expect(await add('missing', { branch: 'main' })).toMatchObject(refused(404, 'name'));
  expect(git('strict', 'branch', '--list').trim()).toBe('* main');
  expect(git('strict', 'worktree', 'list').trim().split('\n')).toHaveLength(1);
  expect(readdirSync(at()).filter((name) => name.startsWith('strict'))).toEqual(['strict']);
  expect(hidden()).toEqual([]);
});

test.each(['--force', '-b', 'a..b', 'a b', 'a~1', 'HEAD^', 'a:b', '@', 'a.lock', '/a', 'a//b', '.a', 'a\nb', ''])(
  'S2: %j is no name of a branch',
  async (branch) => {
    expect(await add('strict', { branch })).toMatchObject(refused(400, 'branch'));
    expect(await add('strict', { branch: 'main', newBranch: branch })).toMatchObject(refused(400, 'newBranch'));
  },
);

test('S2: nothing that the repository names is run', async () => {
  const ran = at('../ran');
  const program = at('../program.sh');
  writeFileSync(program, `#!/bin/sh\ntouch '${ran}'\ncat\n`);
  chmodSync(program, 0o755);
  project('hostile', (folder) => {
    writeFileSync(join(folder, 'page.txt'), 'as it is\n');
    writeFileSync(join(folder, '.gitattributes'), '* filter=evil\n');
  });
  for (const hook of ['post-checkout', 'reference-transaction', 'post-index-change']) {
    symlinkSync(program, at('hostile/.git/hooks', hook));
  }
  writeFileSync(at('../included'), `[core]\n\tsshCommand = ${program}\n\tfsmonitor = ${program}\n`);
  const settings = [
    `[filter "evil"]\n\tsmudge = ${program}\n\tclean = ${program}\n\trequired = true`,
    `[core]\n\tfsmonitor = ${program}\n\thooksPath = ${at('hostile/.git/hooks')}\n\tpager = ${program}`,
    `[include]\n\tpath = ${at('../included')}`,
    `[alias]\n\tcheckout = !${program}\n\tread-tree = !${program}`,
  ];
  writeFileSync(
    at('hostile/.git/config'),
    `${readFileSync(at('hostile/.git/config'), 'utf8')}${settings.join('\n')}\n`,
  );
  expect(await add('hostile', { branch: 'main', newBranch: 'safe', name: 'safe' })).toMatchObject({ status: 201 });
  expect(readFileSync(at('safe/page.txt'), 'utf8')).toBe('as it is\n');
  expect(existsSync(ran)).toBe(false);
  // It would be, by git alone.
  git('hostile', 'worktree', 'add', '-q', '-b', 'unsafe', at('../unsafe'));
  expect(existsSync(ran)).toBe(true);
  rmSync(at('hostile'), { recursive: true });
});

test('S2: a repository with parts outside of the roots gets no working tree', async () => {
  project('inside');
  const outside = at('../outside');
  mkdirSync(outside);
  server.git(outside, 'init', '-q', '-b', 'main');
  server.git(outside, 'commit', '-q', '--allow-empty', '-m', 'Begin');
  for (const name of ['linked', 'named']) mkdirSync(at(name));
  symlinkSync(join(outside, '.git'), at('linked/.git'));
  writeFileSync(at('named/.git'), `gitdir: ${join(outside, '.git')}\n`);
  mkdirSync(at('../worktrees'));
  symlinkSync(at('../worktrees'), at('inside/.git/worktrees'));
  for (const name of ['linked', 'named', 'inside']) {
    expect(await add(name, { branch: 'main', newBranch: 'b', name: 'new' })).toMatchObject(refused(409, 'name'));
  }
  expect(readdirSync(at('../worktrees'))).toEqual([]);
  expect(server.git(outside, 'branch', '--list').trim()).toBe('* main');
});

test('after a checkout that fails neither files nor branch are left', async () => {
  project('broken', (folder) => writeFileSync(join(folder, 'large.txt'), 'some text\n'));
  const blob = git('broken', 'rev-parse', 'HEAD:large.txt').trim();
  rmSync(at('broken/.git/objects', blob.slice(0, 2), blob.slice(2)));
  expect(await add('broken', { branch: 'main', newBranch: 'b' })).toMatchObject(refused(409, 'name'));
  expect(git('broken', 'branch', '--list').trim()).toBe('* main');
  expect(git('broken', 'worktree', 'list').trim().split('\n')).toHaveLength(1);
  expect(existsSync(at('broken-b'))).toBe(false);
  expect(hidden()).toEqual([]);
});

test('what a killed daemon was making is removed at the next start, also from its repository', async () => {
  project('left');
  const staging = at('.companion-clone-0123456789abcdef');
  mkdirSync(join(staging, 'new'), { recursive: true });
  git('left', 'worktree', 'add', '-q', '-b', 'half', join(staging, 'new/left-half'));
  await world.daemon.kill('SIGKILL');
  mkdirSync(join(world.daemon.home, 'clones'), { recursive: true });
  writeFileSync(join(world.daemon.home, 'clones/0123456789abcdef'), staging);
  await world.daemon.start();
  await world.daemon.until(() => readdirSync(join(world.daemon.home, 'clones')).length === 0);
  expect(hidden()).toEqual([]);
  expect(git('left', 'worktree', 'list').trim().split('\n')).toHaveLength(1);
});

const shown = async (path: string) => (await world.daemon.fetch(`/api/projects${path}`)).json() as Promise<never>;

test('a project shows whether it has changes, its working trees and its last conversation', async () => {
  project('state');
  const clean = await shown('/state');
  expect(clean).toEqual({
    name: 'state',
    path: at('state'),
    branch: 'main',
    dirty: false,
    changes: 0,
    isWorking: false,
  });
  await add('state', { branch: 'main', newBranch: 'side' });
  writeFileSync(at('state/page.txt'), 'other\n');
  writeFileSync(at('state/new.txt'), 'new\n');
  const transcripts = join(
    world.daemon.environment.HOME ?? '',
    '.claude/projects',
    at('state').replace(/[^A-Za-z0-9]/g, '-'),
  );
  mkdirSync(transcripts, { recursive: true });
  const claudeSessionId = '11111111-1111-4111-8111-111111111111';
  const line = {
    type: 'user',
    uuid: '22222222-2222-4222-8222-222222222222',
    parentUuid: null,
    sessionId: claudeSessionId,
    cwd: at('state'),
    timestamp: '2026-01-01T00:00:00.000Z',
    isSidechain: false,
    message: { role: 'user', content: 'Look at the state' },
  };
  writeFileSync(join(transcripts, `${claudeSessionId}.jsonl`), `${JSON.stringify(line)}\n`);
  const details = {
    dirty: true,
    changes: 2,
    worktrees: [
      { path: at('state'), branch: 'main' },
      { path: at('state-side'), branch: 'side' },
    ],
    lastConversation: { claudeSessionId, title: 'Look at the state', lastModified: expect.any(String) },
  };
  expect(await shown('/state')).toMatchObject(details);
  // What a busy machine does not know within 3 s is absent from an answer.
  const listed = async (name: string, isKnown: (project: object) => boolean) => {
    let found: object = {};
    await waitUntil(`${name} is known`, async () => {
      const { projects } = (await shown('?details=true&limit=200')) as { projects: { name: string }[] };
      found = projects.find((project) => project.name === name) ?? {};
      return isKnown(found);
    });
    return found;
  };
  expect(await listed('state', (project) => 'changes' in project && 'lastConversation' in project)).toMatchObject(
    details,
  );
  expect(await listed('state-side', (project) => 'dirty' in project)).toMatchObject({ dirty: false, branch: 'side' });
  const plain: { name: string }[] = ((await shown('?limit=200')) as { projects: [] }).projects;
  expect(plain.find(({ name }) => name === 'state')).toEqual({
    name: 'state',
    path: at('state'),
    branch: 'main',
    isWorking: false,
  });
  expect(readdirSync(join(world.daemon.home, 'scratch'))).toEqual([]);
});

test('S2: looking at a project runs nothing that its repository names', async () => {
  const ran = at('../looked');
  const program = at('../look.sh');
  writeFileSync(program, `#!/bin/sh\ntouch '${ran}'\ncat\n`);
  chmodSync(program, 0o755);
  project('watched', (folder) => {
    writeFileSync(join(folder, 'page.txt'), 'as it is\n');
    writeFileSync(join(folder, '.gitattributes'), '* filter=evil\n');
  });
  const settings = `[core]\n\tfsmonitor = ${program}\n[filter "evil"]\n\tclean = ${program}\n\tprocess = ${program}\n`;
  writeFileSync(at('watched/.git/config'), `${readFileSync(at('watched/.git/config'), 'utf8')}${settings}`);
  writeFileSync(at('watched/page.txt'), 'as it was\n');
  expect(await shown('/watched')).toMatchObject({ dirty: true, changes: 1 });
  expect(existsSync(ran)).toBe(false);
  git('watched', 'status');
  expect(existsSync(ran)).toBe(true);
});
