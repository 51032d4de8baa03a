import { mkdir, rmdir } from 'node:fs/promises';
import type { HeldDirectory } from './directory-handle.js';
import { codeOf } from './file-errors.js';
import { holdChild, type Scope } from './safe-path.js';

interface Descent {
  folder: HeldDirectory;
  rest: readonly string[];
  scope: Scope;
}

/** Runs with the folder; creates its missing parts one inside the other, and removes them again on failure. */
export async function descend<Result>(
  { folder, rest, scope }: Descent,
  use: (folder: HeldDirectory) => Promise<Result>,
): Promise<Result> {
  const [name, ...deeper] = rest;
  if (name === undefined) return use(folder);
  const isMade = await makeFolder(folder.entry(name));
  try {
    const child = await holdChild(folder, name, scope);
    try {
      return await descend({ folder: child, rest: deeper, scope }, use);
    } finally {
      await child.close();
    }
  } catch (error) {
    // The client gets the first failure. A folder that is no longer empty stays.
    if (isMade) await rmdir(folder.entry(name)).catch(() => undefined);
    throw error;
  }
}

/** Accepts a folder that another process has just created. A link in its place is detected by the next open. */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}
