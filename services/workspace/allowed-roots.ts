import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import { plainLine } from '../../protocol/plain-text.js';
import type { Place, Workspace } from '../ports/workspace.js';
import { type HoldDirectory, keyOf } from './directory-handle.js';
import { codeOf } from './file-errors.js';
import type { Spot } from './locate.js';
import { readObeyedState } from './obeyed-state.js';
import { ownFolders } from './own-folders.js';
import { listDirectories, makeDirectory, readBranch, requireUsableName } from './project-folders.js';
import { canonical, hold, judge, type Scope } from './safe-path.js';

export interface WorkspaceOptions {
  /** Absolute folders; nothing outside them is used. */
  roots: readonly string[];
  /** The daemon's home: never a working directory, even inside a root. */
  home: string;
  /** The CLI's data of people other than the owner. Also never a working directory. */
  people: string;
  hold: HoldDirectory;
}

export function createWorkspace(options: WorkspaceOptions): Workspace {
  return {
    resolveDirectory: (path, { base, field }) => resolveDirectory({ ...options, path, base, field }),
    createDirectory: async (path, { base, field }) => {
      const made = await createDirectory({ ...options, path, base, field });
      return { ...(await resolveDirectory({ ...options, path, base, field })), created: made };
    },
    ...ownFolders(options.home),
    readBranch: async (path) => readBranch(path, await scopeOf(options, { field: 'path', path })),
    listDirectories: async () => listDirectories(await scopeOf(options, { field: 'path', path: '' })),
    readObeyedState,
    identify: async (path) => {
      // Whatever the reason: a directory that cannot be inspected cannot be used by a child either.
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      return found && keyOf(found);
    },
  };
}

interface Resolution extends WorkspaceOptions {
  path: string;
  base: string | undefined;
  field: string;
}

/** The area of directories that sessions may use. */
export async function scopeOf({ roots, home, people }: WorkspaceOptions, named: Named): Promise<Scope> {
  return {
    within: await Promise.all(roots.map(canonical)),
    never: await Promise.all([home, people].map(canonical)),
    keepsSensitive: false,
    refused: () => outside(named, roots),
  };
}

async function judgeNamed(options: Resolution): Promise<{ spot: Spot; scope: Scope }> {
  const { roots, path, base, field } = options;
  if (path.includes('\0')) throw invalid(field, 'must not contain a NUL character');
  const scope = await scopeOf(options, { field, path });
  return { scope, spot: await judge(resolve(base ?? roots[0] ?? '/', path), scope) };
}

/** Resolves to whether the directory was missing. */
async function createDirectory(options: Resolution): Promise<boolean> {
  const { scope, spot } = await judgeNamed(options);
  if (spot.rest.length === 0) return false;
  await makeDirectory({ spot, scope, open: options.hold, field: options.field });
  return true;
}

export interface NewSpot {
  /** Canonical. */
  path: string;
  /** The folder in which it is to be. */
  parent: string;
  name: string;
  scope: Scope;
}

/**
 * The place of a directory that does not exist, in a folder that does. Rejects as `createDirectory` does, and with
 * `CONFLICT` when it exists.
 */
export async function judgeNew(options: Resolution): Promise<NewSpot> {
  const { field, path } = options;
  const { scope, spot } = await judgeNamed(options);
  const [name, ...deeper] = spot.rest;
  if (name === undefined) {
    const rule = 'must be the name of no file or folder that exists';
    throw new CompanionError('CONFLICT', `${field}: ${rule}`, { field, rule });
  }
  if (deeper.length > 0) throw missing({ field, path }, 'must be in a folder that exists');
  requireUsableName(spot, field);
  return { path: spot.path, parent: spot.existing, name, scope };
}

async function resolveDirectory(options: Resolution): Promise<Place> {
  const { field, path, hold: open } = options;
  const named = { field, path };
  const { scope, spot } = await judgeNamed(options);
  if (spot.rest.length > 0) throw missing(named, 'must be a directory that exists');
  try {
    const held = await hold(spot.path, scope, open);
    await held.close();
    return { path: spot.path, key: held.key };
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (IN_THE_WAY.has(code)) throw missing(named, 'must be a directory');
    if (!NONE_TO_SPARE.has(code)) throw error;
    return { path: spot.path, key: keyOf(await stat(spot.path, { bigint: true })) };
  }
}

/** Not a directory, or just replaced by one. */
const IN_THE_WAY = new Set(['ENOTDIR', 'ENOENT', 'ELOOP', 'EACCES']);

/** No descriptor available. The path was judged, and the child is started by path anyway. */
const NONE_TO_SPARE = new Set(['EMFILE', 'ENFILE']);

interface Named {
  field: string;
  /** The path as named by the client. */
  path: string;
}

const MAX_SHOWN = 500;
const MAX_ROOTS = 10;

/** Reveals nothing about the path's destination: the answer is the same whether or not something exists outside. */
function outside({ field, path }: Named, roots: readonly string[]): CompanionError {
  const more = roots.length > MAX_ROOTS ? ', …' : '';
  const named = roots.slice(0, MAX_ROOTS).map((root) => plainLine(root, MAX_SHOWN));
  const rule = `must lie within PROJECT_ROOTS (${named.join(', ')}${more}) and outside COMPANION_HOME`;
  return new CompanionError('PERMISSION_DENIED', `${field}: ${plainLine(path, MAX_SHOWN)} ${rule}`, {
    field,
    rule,
    suggestion: 'Choose a folder in one of them, or add the folder to PROJECT_ROOTS and restart the daemon.',
  });
}

const missing = ({ field, path }: Named, rule: string) =>
  new CompanionError('PROJECT_NOT_FOUND', `${field}: ${plainLine(path, MAX_SHOWN)} ${rule}`, { field, rule });
