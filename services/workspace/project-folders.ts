/** The directories that are offered as projects, and new ones. */
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CompanionError } from '../../protocol/error-codes.js';
import { MAX_LISTED_FILES } from '../../protocol/limits.js';
import type { HoldDirectory } from './directory-handle.js';
import { ifSeen, withFileErrors } from './file-errors.js';
import { gitFolderOf } from './git/find-repository.js';
import type { Spot } from './locate.js';
import { descend } from './make-folders.js';
import { isObeyed, isObeyedFolder, isSensitiveName } from './protected-names.js';
import { READING } from './read-file.js';
import { hold, isAllowed, type Scope } from './safe-path.js';

/** Those right below the roots, by path. Links are left out: their destination has a path of its own. */
export async function listDirectories(scope: Scope): Promise<string[]> {
  const found = await Promise.all(
    scope.within.map(async (root) => {
      const entries = (await ifSeen(readdir(root, { withFileTypes: true }))) ?? [];
      return entries
        .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
        .map(({ name }) => join(root, name));
    }),
  );
  const allowed = [...new Set(found.flat())].filter((path) => isAllowed(path, scope));
  return allowed.sort().slice(0, MAX_LISTED_FILES);
}

interface Making {
  /** Where it is to be. */
  spot: Spot;
  scope: Scope;
  open: HoldDirectory;
  /** The client's name for it. */
  field: string;
}

/** Rejects names that a folder made for a client cannot have. */
export function requireUsableName({ path, rest }: Spot, field: string): void {
  if (!isObeyed(path) && !isObeyedFolder(path) && !rest.some(isSensitiveName)) return;
  const rule = 'must not have a name that programs obey by themselves, or that indicates secrets';
  throw new CompanionError('PERMISSION_DENIED', `${field}: ${rule}`, { field, rule });
}

export async function makeDirectory({ spot, scope, open, field }: Making): Promise<void> {
  requireUsableName(spot, field);
  await withFileErrors(async () => {
    const folder = await hold(spot.existing, scope, open);
    try {
      await descend({ folder, rest: spot.rest, scope }, async () => {});
    } finally {
      await folder.close();
    }
  });
}

const HEAD_BYTES = 1024;
const COMMIT_DIGITS = 8;

/**
 * The branch that is checked out, or the first digits of the commit; undefined for a directory that is no repository of
 * its own. Reads the file of git and starts no program: git obeys the settings of the repository.
 */
export async function readBranch(directory: string, scope: Scope): Promise<string | undefined> {
  const entry = await ifSeen(lstat(join(directory, '.git')));
  // A link can lead to the repository of somebody else. The file of an added working tree names a folder in the scope.
  if (!entry?.isDirectory() && !entry?.isFile()) return undefined;
  const folder = await gitFolderOf(directory, scope);
  return folder === undefined ? undefined : readHead(folder);
}

/** The branch in the `HEAD` of a git folder. */
export async function readHead(folder: string): Promise<string | undefined> {
  const handle = await ifSeen(open(join(folder, 'HEAD'), READING));
  if (!handle) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const head = buffer.toString('utf8', 0, bytesRead).trimEnd();
    const branch = /^ref: refs\/heads\/(\P{Cc}+)$/u.exec(head)?.[1];
    return branch ?? /^[0-9a-f]{40,64}$/.exec(head)?.[0].slice(0, COMMIT_DIGITS);
  } catch {
    // A folder of that name, or a disk that cannot be read: the branch is unknown.
    return undefined;
  } finally {
    await handle.close();
  }
}
