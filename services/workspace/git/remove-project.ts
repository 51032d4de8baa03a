import { randomBytes } from 'node:crypto';
import { lstat, mkdir, rename } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { CompanionError, type ErrorCode } from '../../../protocol/error-codes.js';
import { scopeOf, type WorkspaceOptions } from '../allowed-roots.js';
import { keyOf } from '../directory-handle.js';
import { withFileErrors } from '../file-errors.js';
import { hold, holdChild, type Scope } from '../safe-path.js';
import { forgetWorktree } from './add-worktree.js';
import { findRepository } from './find-repository.js';
import { listWorkingTrees } from './repository-state.js';
import { stagingName, type UnfinishedDirectories } from './unfinished-directories.js';

const ID_BYTES = 8;

interface Removal extends WorkspaceOptions {
  /** Canonical. */
  directory: string;
  field: string;
}

interface Unfinished {
  unfinished: UnfinishedDirectories;
}

/**
 * Removes a directory with everything in it; links in it are removed, and not followed. It first moves into a hidden
 * folder, which is noted: from then on it is gone for everybody, and the next daemon goes on with what this one leaves.
 */
export async function removeProject({ unfinished, ...removal }: Removal & Unfinished): Promise<void> {
  const scope = await requireRemovable(removal);
  const { directory, field, hold: open } = removal;
  const [parent, name] = [dirname(directory), basename(directory)];
  const id = randomBytes(ID_BYTES).toString('hex');
  const folder = await withFileErrors(() => hold(parent, scope, open));
  try {
    const child = await withFileErrors(() => holdChild(folder, name, scope));
    await child.close();
    await unfinished.note(id, join(parent, stagingName(id)));
    await withFileErrors(async () => {
      await mkdir(folder.entry(stagingName(id)), { mode: 0o700 });
      const now = keyOf(await lstat(folder.entry(name), { bigint: true }));
      if (now !== child.key) throw refusal('CONFLICT', field, 'must not be replaced while it is removed');
      await forgetWorktree(directory, scope);
      await rename(folder.entry(name), join(folder.entry(stagingName(id)), 'gone'));
    });
  } finally {
    await unfinished.remove(id, join(parent, stagingName(id)));
    await folder.close();
  }
}

/** Resolves with the area in which it may be removed. Rejects as `Repositories.remove` does. */
export async function requireRemovable({ directory, field, ...options }: Removal): Promise<Scope> {
  const scope = await scopeOf(options, { field, path: directory });
  if ([...scope.within, ...scope.never].some((place) => isAtOrBelow(directory, place))) {
    throw refusal('PERMISSION_DENIED', field, 'must not be or contain one of PROJECT_ROOTS or a folder of the daemon');
  }
  const repository = await findRepository(directory, scope);
  if (repository && isAtOrBelow(directory, repository.common)) {
    const others = (await listWorkingTrees(repository, scope)).filter(({ path }) => !isAtOrBelow(directory, path));
    if (others.length > 0) throw refusal('CONFLICT', field, 'must be a repository without other working trees');
  }
  return scope;
}

const isAtOrBelow = (folder: string, place: string): boolean => !/^\.\.(?:\/|$)/.test(relative(folder, place));

const refusal = (code: ErrorCode, field: string, rule: string): CompanionError =>
  new CompanionError(code, `${field}: ${rule}`, { field, rule });
