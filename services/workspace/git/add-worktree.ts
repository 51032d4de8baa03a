import { rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CompanionError, type ErrorCode } from '../../../protocol/error-codes.js';
import { locate } from '../locate.js';
import { isAllowed, type Scope } from '../safe-path.js';
import { findRepository, gitFolderOf, MAX_LINE, type Repository, readText } from './find-repository.js';
import { gitFailure, startFailure } from './git-failure.js';
import { ALONE } from './lonely-git.js';
import { openPlainRepository } from './plain-repository.js';
import { type GitResult, plainEnvironment, runGit } from './run-git.js';

export interface AddingWorktree {
  /** The canonical directory of a working tree. */
  project: string;
  branch: string;
  newBranch?: string | undefined;
  scope: Scope;
  /** An empty folder. */
  staging: string;
  /** Where in it the working tree is made. */
  made: string;
  /** A folder of the daemon's own. */
  scratch: string;
  /** Where programs are. */
  path: string | undefined;
  mark: Readonly<Record<string, string>>;
  timeoutMs: number;
  signal: AbortSignal;
}

interface Work extends AddingWorktree {
  repository: Repository;
}

/**
 * Makes a working tree of the project's repository. git gets the repository itself, but checks nothing out, and runs no
 * program that the repository names; the files are written by a git without its settings. Rejects with the errors of
 * `Repositories.addWorktree`, and has changed nothing then.
 */
export async function addWorktree(adding: AddingWorktree): Promise<void> {
  const { project, scope, made, newBranch } = adding;
  const repository = await findRepository(project, scope);
  if (!repository)
    throw refusal('CONFLICT', 'name', 'must be a repository of git whose parts are all in PROJECT_ROOTS');
  await requireNoWayOut(repository, adding);
  const work = { ...adding, repository };
  const start = await startOf(work);
  const added = await git(work, ['worktree', 'add', '--no-checkout', ...start.options, made, start.at]);
  if (added.code !== 0) throw addFailure(added.complaint, newBranch);
  try {
    await checkOut(work);
  } catch (error) {
    await forgetWorktree(made, scope);
    // What has failed is told, and the branch can be removed by hand.
    if (start.creates) await git(work, ['update-ref', '-d', `refs/heads/${start.creates}`]).catch(() => undefined);
    throw error;
  }
}

/** What git writes for a working tree. A link there could lead it out of the allowed roots. */
async function requireNoWayOut({ common }: Repository, { branch, newBranch = branch, scope }: AddingWorktree) {
  const folders = newBranch.split('/').map((_, at, parts) => parts.slice(0, at + 1).join('/'));
  const refs = ['refs/heads', ...folders.map((folder) => `refs/heads/${folder}`)];
  for (const name of ['worktrees', 'config', ...refs, ...refs.map((ref) => `logs/${ref}`)]) {
    const { path } = await locate(join(common, name));
    if (!isAllowed(path, scope))
      throw refusal('CONFLICT', 'name', 'must be a repository without links out of PROJECT_ROOTS');
  }
}

interface Start {
  options: readonly string[];
  /** What is checked out. */
  at: string;
  /** The branch that is made for it. */
  creates?: string;
}

/** A branch of the repository; or, for a new branch, also one of another repository that is known here, or a tag. */
async function startOf(work: Work): Promise<Start> {
  const { branch, newBranch } = work;
  const has = async (ref: string) =>
    (await git(work, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`])).code === 0;
  const local = `refs/heads/${branch}`;
  const upstream = `refs/remotes/origin/${branch}`;
  if (newBranch === undefined) {
    if (await has(local)) return { options: [], at: branch };
    if (await has(upstream)) return { options: ['--track', '-b', branch], at: upstream, creates: branch };
  } else {
    for (const ref of [local, upstream, `refs/remotes/${branch}`, `refs/tags/${branch}`]) {
      if (await has(ref)) return { options: ['--no-track', '-b', newBranch], at: ref, creates: newBranch };
    }
  }
  throw refusal('NOT_FOUND', 'branch', 'must be a branch of the repository that has a commit');
}

/** The index is read from the commit, since only the files need the other git; the next status fills in their times. */
async function checkOut(work: Work): Promise<void> {
  const { made: directory, scope, scratch, path, timeoutMs, signal } = work;
  const plain = await openPlainRepository({ directory, scope, scratch, path });
  const gitFolder = await gitFolderOf(directory, scope);
  if (!plain || gitFolder === undefined) throw addFailure('', work.newBranch);
  try {
    const args = ['checkout', '--force', '--quiet'];
    const { code, complaint } = ended(await plain.run({ args, timeoutMs, maxBytes: MAX_OUTPUT, signal }), work);
    if (code !== 0) throw addFailure(complaint, work.newBranch);
  } finally {
    await plain.close();
  }
  const read = await git(work, ['read-tree', 'HEAD'], { GIT_DIR: gitFolder, GIT_WORK_TREE: directory });
  if (read.code !== 0) throw addFailure(read.complaint, work.newBranch);
}

const MAX_OUTPUT = 64 * 1024;

async function git(work: Work, args: string[], place?: Record<string, string>): Promise<GitResult> {
  const { staging: home, path, repository, mark, timeoutMs, signal } = work;
  const environment = { ...plainEnvironment({ path, home }), ...mark, ...(place ?? { GIT_DIR: repository.common }) };
  const call = { args: [...ALONE, ...args], cwd: home, environment, timeoutMs, maxBytes: MAX_OUTPUT, signal };
  const result = await runGit(call).catch((error: unknown) => {
    throw startFailure(error, 'name');
  });
  return ended(result, work);
}

/** Throws when git was ended before it was done. */
function ended(result: GitResult, { signal }: Work): GitResult {
  signal.throwIfAborted();
  if (result.cut === 'time') throw new CompanionError('TIMEOUT', 'The files could not be checked out in time.');
  return result;
}

function addFailure(complaint: string, newBranch: string | undefined): CompanionError {
  const creating = newBranch === undefined ? 'branch' : 'newBranch';
  if (/already (?:checked out|used by worktree)/.test(complaint)) {
    return refusal('CONFLICT', 'branch', 'must be a branch that no other working tree has checked out');
  }
  if (/already exists/.test(complaint)) return refusal('CONFLICT', creating, 'must be the name of a new branch');
  if (/cannot lock ref|not a valid branch name/.test(complaint)) {
    return refusal('CONFLICT', creating, 'must be a name that fits beside the other branches');
  }
  return gitFailure(complaint, 'name');
}

const refusal = (code: ErrorCode, field: string, rule: string): CompanionError =>
  new CompanionError(code, `${field}: ${rule}`, { field, rule });

interface Entry {
  /** The folder of an added working tree in its repository. */
  folder: string;
  /** The file in it that says where the working tree is. */
  place: string;
}

/** Undefined unless the two name each other: a file in a directory is no reason to remove another folder. */
async function entryOf(worktree: string, scope: Scope): Promise<Entry | undefined> {
  const folder = await gitFolderOf(worktree, scope);
  if (folder === undefined || basename(dirname(folder)) !== 'worktrees') return undefined;
  const place = join(folder, 'gitdir');
  const isIts = (await readText(place, MAX_LINE))?.trimEnd() === join(worktree, '.git');
  return isIts ? { folder, place } : undefined;
}

/** Removes what a repository knows of an added working tree, before that is removed. */
export async function forgetWorktree(worktree: string, scope: Scope): Promise<void> {
  const entry = await entryOf(worktree, scope);
  if (entry) await rm(entry.folder, { recursive: true, force: true });
}

/** Runs `move`, which moves a working tree, and tells its repository. */
export async function movingWorktree(
  { from, to, scope }: { from: string; to: string; scope: Scope },
  move: () => Promise<void>,
): Promise<void> {
  const entry = await entryOf(from, scope);
  await move();
  if (entry) await writeFile(entry.place, `${join(to, '.git')}\n`);
}
