import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { RepositoryState, WorkingTree } from '../../ports/repositories.js';
import { ifSeen } from '../file-errors.js';
import { readHead } from '../project-folders.js';
import type { Scope } from '../safe-path.js';
import { findRepository, insideAt, MAX_LINE, type Repository, readText } from './find-repository.js';
import { openPlainRepository, type PlainOptions } from './plain-repository.js';

export interface Looking extends PlainOptions {
  timeoutMs: number;
  signal: AbortSignal;
}

/** Of a directory that is the root of a working tree; empty for any other one. */
export async function readState(looking: Looking): Promise<RepositoryState> {
  const { directory, scope } = looking;
  const repository = await findRepository(directory, scope);
  if (repository?.top !== directory) return {};
  const worktrees = await listWorkingTrees(repository, scope);
  return { ...(worktrees.length > 1 && { worktrees }), ...(await readChanges(looking)) };
}

const MOST_WORKTREES = 100;

/** Read from files. Those outside of the allowed roots are left out. */
export async function listWorkingTrees({ common }: Repository, scope: Scope): Promise<WorkingTree[]> {
  const names = (await ifSeen(readdir(join(common, 'worktrees')))) ?? [];
  const folders = names.slice(0, MOST_WORKTREES).map((name) => join(common, 'worktrees', name));
  const added = await Promise.all(folders.map((folder) => addedTree(folder, scope)));
  // That of a bare repository has none of its own.
  const own = basename(common) === '.git' ? [await treeOf(dirname(common), common)] : [];
  return [...own, ...added.filter((tree) => tree !== undefined)];
}

async function addedTree(folder: string, scope: Scope): Promise<WorkingTree | undefined> {
  const inside = await insideAt(folder, scope);
  const place = inside === undefined ? undefined : await readText(join(inside, 'gitdir'), MAX_LINE);
  if (inside === undefined || place === undefined) return undefined;
  const path = await insideAt(dirname(resolve(inside, place.trimEnd())), scope);
  return path === undefined ? undefined : treeOf(path, inside);
}

async function treeOf(path: string, folder: string): Promise<WorkingTree> {
  const branch = await readHead(folder);
  return { path, ...(branch !== undefined && { branch }) };
}

const STATUS = [
  'status',
  '--porcelain=v1',
  '-z',
  '--no-renames',
  '--untracked-files=normal',
  // They have settings of their own.
  '--ignore-submodules=all',
];
const MAX_STATUS_BYTES = 512 * 1024;

async function readChanges({ timeoutMs, signal, ...options }: Looking): Promise<RepositoryState> {
  signal.throwIfAborted();
  const plain = await openPlainRepository(options);
  if (!plain) return {};
  try {
    const { code, cut, output } = await plain.run({ args: STATUS, timeoutMs, maxBytes: MAX_STATUS_BYTES, signal });
    if (cut === 'size') return { dirty: true };
    if (code !== 0) return {};
    const changes = output.reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0);
    return { dirty: changes > 0, changes };
  } finally {
    await plain.close();
  }
}
