/** Repositories whose own settings would run programs, beside git itself. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { outside } from '../../services/workspace/file-errors.js';
import { openPlainRepository } from '../../services/workspace/git/plain-repository.js';

let base: string;
let root: string;
let project: string;

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'plain-repository-')));
  root = join(base, 'root');
  project = join(root, 'project');
  mkdirSync(project, { recursive: true });
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const PERSON = ['-c', 'user.name=A', '-c', 'user.email=a@b.c', '-c', 'init.defaultBranch=main'];
const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', [...PERSON, ...args], { cwd, encoding: 'utf8', env: { PATH: process.env.PATH, HOME: base } });

function commit(cwd: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  git(cwd, 'add', '-A');
  git(cwd, 'commit', '-qm', 'files');
}

const options = (directory: string) => ({
  directory,
  scope: { within: [root], never: [join(base, 'home')], keepsSensitive: false, refused: outside },
  scratch: join(base, 'home/git'),
  path: process.env.PATH,
});

/** What git says of the directory; undefined when it is not asked. */
async function changes(directory: string, ...more: string[]): Promise<string | undefined> {
  const repository = await openPlainRepository(options(directory));
  if (!repository) return undefined;
  try {
    // `diff-index` would also name files whose times alone have changed.
    const args = ['diff', '--name-status', '--no-renames', ...more, repository.head ?? EMPTY];
    const { code, output, complaint } = await repository.run({ args, timeoutMs: 10_000, maxBytes: 100_000 });
    expect([code, complaint]).toEqual([0, '']);
    return output.toString('utf8');
  } finally {
    await repository.close();
    expect(readdirSync(join(base, 'home/git'))).toEqual([]);
  }
}

const EMPTY = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

test('a working tree is compared with its commit, wherever its repository keeps it', async () => {
  git(project, 'init', '-q');
  expect(await changes(project)).toBe('');
  mkdirSync(join(project, 'deep/er'), { recursive: true });
  commit(project, { 'a.txt': 'a\n', 'b.txt': 'b\n', 'deep/er/c.txt': 'c\n' });
  writeFileSync(join(project, 'b.txt'), 'B\n');
  rmSync(join(project, 'deep/er/c.txt'));
  const all = 'M\tb.txt\nD\tdeep/er/c.txt\n';
  expect(await changes(project)).toBe(all);
  expect(await changes(join(project, 'deep'), '--relative')).toBe('D\ter/c.txt\n');
  git(project, 'pack-refs', '--all');
  git(project, 'gc', '-q');
  expect(await changes(project)).toBe(all);
  git(project, 'update-index', '--split-index');
  expect(await changes(project)).toBe(all);
  git(project, 'worktree', 'add', '-q', '../other');
  writeFileSync(join(root, 'other/a.txt'), 'A\n');
  expect(await changes(join(root, 'other'))).toBe('M\ta.txt\n');
  expect(git(project, 'status', '--porcelain')).toBe(' M b.txt\n D deep/er/c.txt\n');
});

test('another object format, and settings that say how files look, are those of the repository', async () => {
  git(project, 'init', '-q', '--object-format=sha256');
  git(project, 'config', 'core.fileMode', 'false');
  git(project, 'config', 'core.autocrlf', 'true');
  commit(project, { 'a.txt': 'a\n', 'b.txt': 'b\n', 'c.txt': 'c\n' });
  chmodSync(join(project, 'a.txt'), 0o755);
  writeFileSync(join(project, 'b.txt'), 'b\r\n');
  writeFileSync(join(project, 'c.txt'), 'C\r\n');
  // Otherwise the clock decides whether git reads it again, and warns of its line ends.
  utimesSync(join(project, 'a.txt'), 1, 1);
  expect(await changes(project)).toBe('M\tc.txt\n');
  const repository = await openPlainRepository(options(project));
  expect(repository?.head).toMatch(/^[0-9a-f]{64}$/);
  const { output } =
    (await repository?.run({ args: ['diff', repository.head ?? ''], timeoutMs: 5000, maxBytes: 9999 })) ?? {};
  expect(output?.toString().match(/^[-+].*/gm)).toEqual(['--- a/c.txt', '+++ b/c.txt', '-c', '+C']);
  await repository?.close();
});

test('S2: settings, attributes and hooks of a repository start nothing', async () => {
  git(project, 'init', '-q');
  const ran = join(base, 'ran');
  const run = join(base, 'run.sh');
  writeFileSync(run, `#!/bin/sh\ntouch ${ran}\ncat\n`, { mode: 0o755 });
  commit(project, { 'a.txt': 'a\n', 'b.txt': 'b\n', '.gitattributes': '* filter=evil diff=evil merge=evil\n' });
  const evil = {
    'core.fsmonitor': run,
    'core.pager': run,
    'core.hooksPath': base,
    'core.alternateRefsCommand': run,
    'filter.evil.clean': run,
    'filter.evil.smudge': run,
    'diff.evil.textconv': run,
    'diff.evil.command': run,
    'diff.external': run,
    'include.path': join(base, 'included'),
  };
  writeFileSync(join(base, 'included'), `[core]\n\tfsmonitor = ${run}\n`);
  for (const [key, value] of Object.entries(evil)) git(project, 'config', key, value);
  for (const hook of ['post-index-change', 'pre-auto-gc', 'fsmonitor-watchman']) {
    writeFileSync(join(project, '.git/hooks', hook), `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 });
  }
  writeFileSync(join(project, 'a.txt'), 'A\n');
  rmSync(ran, { force: true });
  expect(await changes(project, '-p')).toContain('M\ta.txt\n');
  expect(existsSync(ran)).toBe(false);
  // The same repository as git itself sees it: the programs are really named there.
  git(project, 'diff', '--stat');
  expect(existsSync(ran)).toBe(true);
});

test('S2: no repository is read of which a part is outside', async () => {
  const elsewhere = join(base, 'elsewhere');
  mkdirSync(elsewhere);
  git(elsewhere, 'init', '-q');
  commit(elsewhere, { 'secret.txt': 'secret\n' });
  const dotGit = join(project, '.git');
  symlinkSync(join(elsewhere, '.git'), dotGit);
  expect(await changes(project)).toBeUndefined();
  rmSync(dotGit);
  writeFileSync(dotGit, `gitdir: ${elsewhere}/.git\n`);
  expect(await changes(project)).toBeUndefined();
  rmSync(dotGit);
  git(project, 'clone', '-q', '--shared', elsewhere, 'borrows');
  expect(await changes(join(project, 'borrows'))).toBeUndefined();
  git(project, 'init', '-q');
  rmSync(join(dotGit, 'objects'), { recursive: true });
  symlinkSync(join(elsewhere, '.git/objects'), join(dotGit, 'objects'));
  expect(await changes(project)).toBeUndefined();
  rmSync(dotGit, { recursive: true });
  // Above the roots there is none, whatever is there.
  renameSync(join(elsewhere, '.git'), join(base, '.git'));
  expect(await changes(project)).toBeUndefined();
});

test('without git, and with files that no git has written, there is no repository', async () => {
  git(project, 'init', '-q');
  expect(await openPlainRepository({ ...options(project), path: base })).toBeUndefined();
  for (const head of [
    '',
    'ref: ../../secret\n',
    'ref: refs/heads/../../x\n',
    'ref: refs/heads/.invalid\n',
    `${'a'.repeat(39)}\n`,
  ]) {
    writeFileSync(join(project, '.git/HEAD'), head);
    expect(await changes(project)).toBeUndefined();
  }
});

test('git ends when it has written enough, has had its time, or is not wanted any more', async () => {
  git(project, 'init', '-q');
  commit(project, { 'a.txt': 'a\n'.repeat(1000) });
  const repository = await openPlainRepository(options(project));
  const limits = { timeoutMs: 10_000, maxBytes: 100 };
  const args = ['cat-file', '-p', 'HEAD:a.txt'];
  const cut = await repository?.run({ args, ...limits });
  expect(cut).toMatchObject({ cut: 'size' });
  expect(cut?.output).toHaveLength(100);
  const waits = { args: ['cat-file', '--batch'], ...limits, input: '' };
  expect(await repository?.run({ ...waits, signal: AbortSignal.abort() })).toMatchObject({ cut: 'aborted' });
  await repository?.close();
});
