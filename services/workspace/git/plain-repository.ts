/**
 * A repository as git sees it without the settings of the repository. These can name programs (filters, monitors, hooks,
 * external diffs), and they come with a clone. So git gets a folder of its own instead: with the checked out commit, a
 * copy of the index, and the repository's objects, to read. Of the settings it has those that only say how files look.
 */
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, ifSeen } from '../file-errors.js';
import { READING } from '../read-file.js';
import type { Scope } from '../safe-path.js';
import { findRepository, MAX_TEXT, type Repository, readText } from './find-repository.js';
import { type GitCall, type GitResult, plainEnvironment, runGit } from './run-git.js';

export interface PlainRepository {
  /** The root of its working tree: the directory, or one above. */
  top: string;
  /** The commit that is checked out; absent before the first one. */
  head?: string;
  /** Runs in the directory. Writes reach only the copy. Rejects as `runGit` does. */
  run(call: Pick<GitCall, 'args' | 'input' | 'timeoutMs' | 'maxBytes' | 'signal'>): Promise<GitResult>;
  /** Removes the copy. */
  close(): Promise<void>;
}

export interface PlainOptions {
  /** Canonical. */
  directory: string;
  /** All parts of the repository must be in it. */
  scope: Scope;
  /** A folder of the daemon's own for the copies. It is created when it is missing. */
  scratch: string;
  /** Where programs are. */
  path: string | undefined;
}

/** Undefined where there is no repository, none that can be read in this way, or no git. The caller closes it. */
export async function openPlainRepository(options: PlainOptions): Promise<PlainRepository | undefined> {
  const { directory, scope, scratch, path } = options;
  const repository = await findRepository(directory, scope);
  if (!repository) return undefined;
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(scratch, 'git-'));
  const close = () => rm(folder, { recursive: true, force: true });
  const environment = {
    ...plainEnvironment({ path, home: folder }),
    GIT_DIR: folder,
    GIT_WORK_TREE: repository.top,
  };
  try {
    const isCopied = await copyInto(folder, repository, environment);
    if (!isCopied) {
      await close();
      return undefined;
    }
  } catch (error) {
    await close();
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const { top, head } = repository;
  return {
    top,
    ...(head !== undefined && { head }),
    run: (call) => runGit({ ...call, cwd: directory, environment }),
    close,
  };
}

type Environment = Readonly<Record<string, string>>;

async function copyInto(folder: string, { gitFolder, common, head }: Repository, environment: Environment) {
  const objects = join(common, 'objects');
  // A line is a path.
  if (objects.includes('\n')) return false;
  for (const name of ['objects/info', 'objects/pack', 'refs', 'info']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await writeFile(join(folder, 'objects/info/alternates'), `${objects}\n`);
  const settings = await readSettings(common, environment);
  await writeFile(join(folder, 'config'), settings);
  await writeFile(join(folder, 'info/exclude'), (await readText(join(common, 'info/exclude'), MAX_TEXT)) ?? '');
  await writeFile(join(folder, 'HEAD'), `${head ?? 'ref: refs/heads/none'}\n`);
  return copyIndex(gitFolder, folder);
}

/** Say how files look, and start nothing. */
const HARMLESS = new Set([
  'core.filemode',
  'core.symlinks',
  'core.ignorecase',
  'core.precomposeunicode',
  'core.autocrlf',
  'core.eol',
  'extensions.objectformat',
]);
const WORD = /^[a-z0-9]{1,16}$/i;

/** Nothing is written, so no warning of what that would do to line ends is of use. */
const OWN_SETTINGS = `[core]
	repositoryformatversion = 1
	bare = false
	fsmonitor = false
	untrackedcache = false
	splitindex = false
	hookspath = /dev/null
	attributesfile = /dev/null
	excludesfile = /dev/null
	bigfilethreshold = 4m
	quotepath = false
	safecrlf = false
`;

/** git itself takes the file apart, without what it includes. */
async function readSettings(common: string, environment: Environment): Promise<string> {
  const input = (await readText(join(common, 'config'), MAX_TEXT)) ?? '';
  const args = ['config', '--file', '-', '--no-includes', '--null', '--list'];
  const { code, output } = await runGit({
    args,
    cwd: '/',
    environment,
    input,
    timeoutMs: 5000,
    maxBytes: 2 * MAX_TEXT,
  });
  if (code !== 0) return OWN_SETTINGS;
  const lines = output
    .toString('utf8')
    .split('\0')
    .flatMap((entry) => {
      const [key = '', value = 'true'] = entry.split('\n');
      const [section, name] = key.split('.');
      return HARMLESS.has(key) && WORD.test(value) ? [`[${section}]\n\t${name} = ${value}\n`] : [];
    });
  return OWN_SETTINGS + lines.join('');
}

const MAX_INDEX_BYTES = 256 * 1024 * 1024;
const MAX_SHARED = 8;

/** Also the parts that a split index refers to. False when it is too large. */
async function copyIndex(from: string, to: string): Promise<boolean> {
  const names = ((await ifSeen(readdir(from))) ?? []).filter((name) => /^sharedindex\.[0-9a-f]{40,64}$/.test(name));
  for (const name of ['index', ...names.slice(0, MAX_SHARED)]) {
    if (!(await copyFile(join(from, name), join(to, name)))) return false;
  }
  return true;
}

async function copyFile(from: string, to: string): Promise<boolean> {
  const source = await ifSeen(open(from, READING));
  // Nothing is checked out.
  if (!source) return true;
  try {
    const stats = await source.stat();
    if (!stats.isFile() || stats.size > MAX_INDEX_BYTES) return false;
    const copy = await open(to, 'wx', 0o600);
    try {
      for await (const piece of source.createReadStream({ autoClose: false })) await copy.writeFile(piece as Buffer);
      // Files that are not older than the index are compared by their contents: git must see the same time.
      await copy.utimes(stats.atime, Math.floor(stats.mtimeMs / 1000));
    } finally {
      await copy.close();
    }
    return true;
  } finally {
    await source.close();
  }
}
