import { mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { nanoid } from 'nanoid';
import type { Workspace } from '../ports/workspace.js';
import { keyOf } from './directory-handle.js';
import { codeOf } from './file-errors.js';

const FOLDER = 'responses';

/** The folders of sessions that programs begin. `home`: the daemon's. */
export function ownFolders(home: string): Pick<Workspace, 'makeOwnFolder' | 'removeOwnFolder' | 'removeUnusedFolders'> {
  const all = join(home, FOLDER);
  const remove = (path: string) => rm(path, { recursive: true, force: true });
  return {
    makeOwnFolder: async () => {
      await mkdir(all, { recursive: true, mode: 0o700 });
      const path = join(await realpath(all), nanoid());
      await mkdir(path, { mode: 0o700 });
      return { path, key: keyOf(await stat(path, { bigint: true })) };
    },
    removeOwnFolder: async (path) => {
      if (dirname(path) === (await realpath(all).catch(nothingYet))) await remove(path);
    },
    removeUnusedFolders: async (isUsed) => {
      const root = await realpath(all).catch(nothingYet);
      const names = root === undefined ? [] : await readdir(root);
      const paths = names.map((name) => join(root ?? '', name));
      await Promise.all(paths.filter((path) => !isUsed(path)).map(remove));
    },
  };
}

function nothingYet(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}
