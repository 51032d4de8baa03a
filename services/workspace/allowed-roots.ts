import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { Place, Workspace } from '../ports/workspace.js';
import { type HoldDirectory, keyOf } from './directory-handle.js';
import { codeOf } from './file-errors.js';
import { canonical, hold, judge, type Scope } from './safe-path.js';

export interface WorkspaceOptions {
  /** Absolute folders; nothing outside of them is used. */
  roots: readonly string[];
  /** The daemon's home: never a working directory, also when a root contains it. */
  home: string;
  hold: HoldDirectory;
}

export function createWorkspace(options: WorkspaceOptions): Workspace {
  return {
    resolveDirectory: (path, { base, field }) => resolveDirectory({ ...options, path, base, field }),
    identify: async (path) => {
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

async function resolveDirectory({ roots, home, path, base, field, hold: open }: Resolution): Promise<Place> {
  if (path.includes('\0')) throw invalid(field, 'must not contain a NUL character');
  const scope: Scope = {
    within: await Promise.all(roots.map(canonical)),
    never: [await canonical(home)],
    keepsSensitive: false,
    refused: () => outside(field),
  };
  const spot = await judge(resolve(base ?? roots[0] ?? '/', path), scope);
  if (spot.rest.length > 0) throw missing(field, 'must be a directory that exists');
  try {
    const held = await hold(spot.path, scope, open);
    await held.close();
    return { path: spot.path, key: held.key };
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (IN_THE_WAY.has(code)) throw missing(field, 'must be a directory');
    if (!NONE_TO_SPARE.has(code)) throw error;
    return { path: spot.path, key: keyOf(await stat(spot.path, { bigint: true })) };
  }
}

/** It is no directory, or was put in the place of one just now. */
const IN_THE_WAY = new Set(['ENOTDIR', 'ENOENT', 'ELOOP', 'EACCES']);

/** A descriptor. The path was judged, and whoever starts the child will go by it anyway. */
const NONE_TO_SPARE = new Set(['EMFILE', 'ENFILE']);

const outside = (field: string) =>
  new CompanionError('PERMISSION_DENIED', `${field}: must lie within PROJECT_ROOTS`, {
    field,
    rule: 'must lie within PROJECT_ROOTS',
    suggestion: 'Add the folder to PROJECT_ROOTS and start the daemon again.',
  });

const missing = (field: string, rule: string) =>
  new CompanionError('PROJECT_NOT_FOUND', `${field}: ${rule}`, { field, rule });
