import { realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { Place, Workspace } from '../ports/workspace.js';

export interface WorkspaceOptions {
  /** Absolute folders; nothing outside of them is used. */
  roots: readonly string[];
  /** The daemon's home: never a working directory, also when a root contains it. */
  home: string;
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

const keyOf = ({ dev, ino }: { dev: bigint; ino: bigint }): string => `${dev}:${ino}`;

interface Resolution extends WorkspaceOptions {
  path: string;
  base: string | undefined;
  field: string;
}

/** Links are followed before the roots are compared, so that none of them leads out. */
async function resolveDirectory({ roots, home, path, base, field }: Resolution): Promise<Place> {
  if (path.includes('\0')) throw invalid(field, 'must not contain a NUL character');
  const wanted = resolve(base ?? roots[0] ?? '/', path);
  const canonical = await realpath(wanted).catch(() => undefined);
  const allowed = await Promise.all(roots.map((root) => realpath(root).catch(() => root)));
  const daemonHome = await realpath(home).catch(() => home);
  const judged = canonical ?? (await nearestExisting(wanted));
  if (!allowed.some((root) => isWithin(root, judged)) || isWithin(daemonHome, judged)) throw outside(field);
  if (canonical === undefined) throw missing(field, 'must be a directory that exists');
  const found = await stat(canonical, { bigint: true });
  if (!found.isDirectory()) throw missing(field, 'must be a directory');
  return { path: canonical, key: keyOf(found) };
}

/** Where the existing part of a path leads: what a link shows of the outside is not told by another error. */
async function nearestExisting(path: string): Promise<string> {
  const parent = dirname(path);
  if (parent === path) return path;
  return realpath(parent).catch(() => nearestExisting(parent));
}

const outside = (field: string) =>
  new CompanionError('PERMISSION_DENIED', `${field}: must lie within PROJECT_ROOTS`, {
    field,
    rule: 'must lie within PROJECT_ROOTS',
    suggestion: 'Add the folder to PROJECT_ROOTS and start the daemon again.',
  });

const missing = (field: string, rule: string) =>
  new CompanionError('PROJECT_NOT_FOUND', `${field}: ${rule}`, { field, rule });

/** Compared by whole path segments. */
function isWithin(root: string, path: string): boolean {
  const steps = relative(root, path);
  return steps === '' || (!isAbsolute(steps) && steps !== '..' && !steps.startsWith(`..${sep}`));
}
