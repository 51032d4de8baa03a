import { sep } from 'node:path';
import type { CompanionError } from '../../protocol/error-codes.js';
import type { HeldDirectory, HoldDirectory } from './directory-handle.js';
import { locate, type Spot } from './locate.js';
import { isSensitiveName } from './protected-names.js';

/** The permitted area. All paths are canonical. */
export interface Scope {
  /** These folders and everything below them. */
  within: readonly string[];
  /** Never these or anything below them, wherever they are. */
  never: readonly string[];
  /** Whether names such as `.env` are refused below `within`. */
  keepsSensitive: boolean;
  /** Throws for a folder in which this client cannot write; not called for one that is refused anyway. */
  requireWritable?: (folder: string) => void;
  refused: () => CompanionError;
}

/**
 * The only decision about paths, for working directories and for files. It has two steps.
 *
 * `judge` follows the links of a path and compares its destination, segment by segment, with the permitted area. The
 * answer is right as long as nothing moves.
 *
 * `hold` opens the directory and compares again, this time what the system says of the open handle: the location of
 * this directory, not the destination of its path. From there on only the handle is used. A link or another directory
 * put in place of a part of the path, before, between or after the two steps, either changes what was opened, which the
 * second comparison detects, or changes nothing any more, since the handle stays the same. Only a directory is opened
 * before it is judged, and nothing is read from it.
 *
 * Not prevented: a user with write access on both sides moves a real directory with its content out of the root. It was
 * inside when it was opened.
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

/** A directory within a held one, whose location must be permitted too. The caller closes it. */
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

/** Rejects when the held directory's location is not permitted. */
export async function requireInside(held: HeldDirectory, scope: Scope): Promise<void> {
  const location = await held.location();
  if (location === undefined) throw scope.refused();
  requireAllowed(location, scope);
}

function requireAllowed(path: string, scope: Scope): void {
  if (!isAllowed(path, scope)) throw scope.refused();
  scope.requireWritable?.(path);
}

/** `path` must be canonical. */
export function isAllowed(path: string, { within, never, keepsSensitive }: Scope): boolean {
  if (never.some((place) => stepsBelow(place, path) !== undefined)) return false;
  return within.some((root) => {
    const steps = stepsBelow(root, path);
    return steps !== undefined && !(keepsSensitive && steps.some(isSensitiveName));
  });
}

/**
 * The names from a folder down to a path; undefined when the path is not inside. Compares whole segments. Both are
 * canonical, so their text decides: `relative` of `node:path` takes half of the time of a long list of files.
 */
function stepsBelow(root: string, path: string): string[] | undefined {
  if (path === root) return [];
  const before = root.endsWith(sep) ? root : root + sep;
  return path.startsWith(before) ? path.slice(before.length).split(sep) : undefined;
}

/** The canonical path of a folder, existing or not. */
export const canonical = async (path: string): Promise<string> => (await locate(path)).path;
