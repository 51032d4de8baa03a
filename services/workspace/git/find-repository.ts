/** Where the repository of a directory is, read from its files: git is not asked, since it obeys their settings. */
import { open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ifSeen } from '../file-errors.js';
import { locate } from '../locate.js';
import { READING } from '../read-file.js';
import { isAllowed, type Scope } from '../safe-path.js';

export interface Repository {
  /** The root of its working tree: the directory, or one above. */
  top: string;
  /** What belongs to this working tree: HEAD and the index. */
  gitFolder: string;
  /** What all working trees share: objects, refs and settings. The same folder, except for an added working tree. */
  common: string;
  /** The commit that is checked out; absent before the first one. */
  head?: string;
}

/**
 * The repository that contains a canonical directory; undefined when there is none, when a part of it is outside of the
 * scope, wherever links and files lead, or when its refs are in a form other than files.
 */
export async function findRepository(directory: string, scope: Scope): Promise<Repository | undefined> {
  const top = await topOf(directory, scope);
  const gitFolder = top === undefined ? undefined : await gitFolderOf(top, scope);
  if (top === undefined || gitFolder === undefined) return undefined;
  const common = await commonOf(gitFolder, scope);
  if (common === undefined || !(await areObjectsInside(join(common, 'objects'), scope))) return undefined;
  const head = await resolveHead({ gitFolder, common });
  return head === 'unknown' ? undefined : { top, gitFolder, common, ...(head !== 'unborn' && { head }) };
}

/** Up to this folder of the scope, nothing above is looked at. */
async function topOf(directory: string, scope: Scope): Promise<string | undefined> {
  for (let folder = directory; isAllowed(folder, scope); folder = dirname(folder)) {
    const { rest } = await locate(join(folder, '.git'));
    if (rest.length === 0) return folder;
    if (folder === dirname(folder)) return undefined;
  }
  return undefined;
}

/** A folder, or a file that names one. */
export async function gitFolderOf(top: string, scope: Scope): Promise<string | undefined> {
  const entry = await insideAt(join(top, '.git'), scope);
  if (entry === undefined) return undefined;
  const text = await readText(entry, MAX_LINE);
  if (text === undefined) return entry;
  const named = /^gitdir: (\P{Cc}+)\n?$/u.exec(text)?.[1];
  return named === undefined ? undefined : insideAt(resolve(top, named), scope);
}

/** What all working trees share. */
async function commonOf(gitFolder: string, scope: Scope): Promise<string | undefined> {
  const text = await readText(join(gitFolder, 'commondir'), MAX_LINE);
  return text === undefined ? gitFolder : insideAt(resolve(gitFolder, text.replace(/\n$/, '')), scope);
}

/** The canonical path of what exists in the scope. */
export async function insideAt(path: string, scope: Scope): Promise<string | undefined> {
  const { path: found, rest } = await locate(path);
  return rest.length === 0 && isAllowed(found, scope) ? found : undefined;
}

const MAX_BORROWED = 5;

/** Objects can be borrowed from other repositories, which can borrow as well. */
async function areObjectsInside(folder: string, scope: Scope, depth = 0): Promise<boolean> {
  const found = await insideAt(folder, scope);
  if (found === undefined || depth > MAX_BORROWED || (await insideAt(join(found, 'pack'), scope)) === undefined)
    return false;
  const lines = ((await readText(join(found, 'info/alternates'), MAX_TEXT)) ?? '').split('\n');
  for (const line of lines) {
    const isPath = line !== '' && !line.startsWith('#');
    if (isPath && !(await areObjectsInside(resolve(found, line), scope, depth + 1))) return false;
  }
  return true;
}

const MAX_STEPS = 5;
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const REF = /^refs\/(?:[^\p{Cc}\s~^:?*[\\/]+\/)*[^\p{Cc}\s~^:?*[\\/]+$/u;

type Folders = Pick<Repository, 'gitFolder' | 'common'>;

/** The commit, `unborn` before the first one, or `unknown`. */
async function resolveHead({ gitFolder, common }: Folders): Promise<string> {
  let text = await readText(join(gitFolder, 'HEAD'), MAX_LINE);
  for (let step = 0; step < MAX_STEPS && text !== undefined; step += 1) {
    const line = text.trimEnd();
    if (COMMIT.test(line)) return line;
    const name = refIn(line);
    if (name === undefined) return 'unknown';
    text = (await readText(join(common, name), MAX_LINE)) ?? (await packedRef(common, name));
    if (text === undefined) return 'unborn';
  }
  return 'unknown';
}

/** `.invalid` stands there when the refs are in tables. */
function refIn(line: string): string | undefined {
  const name = /^ref: ?(.*)$/.exec(line)?.[1] ?? '';
  return REF.test(name) && !name.split('/').some((part) => part.startsWith('.')) ? name : undefined;
}

async function packedRef(common: string, name: string): Promise<string | undefined> {
  const text = (await readText(join(common, 'packed-refs'), MAX_REFS)) ?? '';
  const line = text.split('\n').find((one) => one.endsWith(` ${name}`));
  const commit = line?.slice(0, -name.length - 1);
  return commit !== undefined && COMMIT.test(commit) ? commit : undefined;
}

export const MAX_LINE = 4096;
const MAX_REFS = 16 * 1024 * 1024;
export const MAX_TEXT = 1024 * 1024;

/** A regular file that is no link; undefined where there is none, or a longer one. */
export async function readText(path: string, maxBytes: number): Promise<string | undefined> {
  const handle = await ifSeen(open(path, READING));
  if (!handle) return undefined;
  try {
    const stats = await handle.stat();
    return stats.isFile() && stats.size <= maxBytes ? await handle.readFile('utf8') : undefined;
  } finally {
    await handle.close();
  }
}
