import { isAbsolute, relative, sep } from 'node:path';
import type { CompanionError } from '../../protocol/error-codes.js';
import type { HeldDirectory, HoldDirectory } from './directory-handle.js';
import { locate, type Spot } from './locate.js';
import { isSensitiveName } from './sensitive-places.js';

/** What may be used. All paths are canonical. */
export interface Scope {
  /** One of these, or what lies below it. */
  within: readonly string[];
  /** Nothing of these or below them, wherever they lie. */
  never: readonly string[];
  /** Whether names such as `.env` are refused below `within`. */
  keepsSensitive: boolean;
  /** Throws for a folder in which nothing may be written by this client; not called for one that is refused anyway. */
  requireWritable?: (folder: string) => void;
  refused: () => CompanionError;
}

/**
 * The one decision about paths, for working directories and for files. It is made in two steps.
 *
 * `judge` follows the links of a path and compares where it leads, segment by segment, with what may be used. This
 * gives the right answer as long as nothing moves.
 *
 * `hold` opens the directory and compares again, and now what the system says of the open handle: where this directory
 * lies, not where its path leads. From there on only the handle is used. A link or another directory that is put in
 * the place of a part of the path, before, between or after the two steps, either changes what was opened, and then
 * the second comparison sees it, or no longer changes anything, since the handle stays what it is. What is opened
 * before it has been judged is a directory alone, of which nothing is read.
 *
 * What this does not prevent: somebody who may write on both sides moves a real directory with what is in it out of
 * the root. It was inside when it was opened.
 */
export async function judge(path: string, scope: Scope): Promise<Spot> {
  const spot = await locate(path);
  requireAllowed(spot.path, scope);
  return spot;
}

/** Rejects with the system's error when there is no directory at this canonical path. The caller closes it. */
export async function hold(path: string, scope: Scope, open: HoldDirectory): Promise<HeldDirectory> {
  const held = await open(path);
  return verified(held, scope);
}

/** A directory within a held one, which must lie where it may as well. The caller closes it. */
export async function holdChild(parent: HeldDirectory, name: string, scope: Scope): Promise<HeldDirectory> {
  return verified(await parent.child(name), scope);
}

async function verified(held: HeldDirectory, scope: Scope): Promise<HeldDirectory> {
  try {
    await requireInside(held, scope);
    return held;
  } catch (error) {
    await held.close();
    throw error;
  }
}

/** Rejects when the directory of the handle does not lie where it may. */
export async function requireInside(held: HeldDirectory, scope: Scope): Promise<void> {
  const location = await held.location();
  if (location === undefined) throw scope.refused();
  requireAllowed(location, scope);
}

function requireAllowed(path: string, scope: Scope): void {
  if (!isAllowed(path, scope)) throw scope.refused();
  scope.requireWritable?.(path);
}

/** A canonical path. */
export function isAllowed(path: string, { within, never, keepsSensitive }: Scope): boolean {
  if (never.some((place) => stepsBelow(place, path) !== undefined)) return false;
  return within.some((root) => {
    const steps = stepsBelow(root, path);
    return steps !== undefined && !(keepsSensitive && steps.some(isSensitiveName));
  });
}

/** The names from a folder down to a path; undefined when the path is not in it. Compared by whole segments. */
function stepsBelow(root: string, path: string): string[] | undefined {
  const steps = relative(root, path);
  if (steps === '') return [];
  if (isAbsolute(steps)) return undefined;
  const names = steps.split(sep);
  return names[0] === '..' ? undefined : names;
}

/** The canonical path of a folder, or of the place where it would be. */
export const canonical = async (path: string): Promise<string> => (await locate(path)).path;
