import { readlink, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

/** The resolved location of a path. */
export interface Spot {
  /** Canonical: no links, no dots. */
  path: string;
  /** The existing part. */
  existing: string;
  /** The names after that part: empty when the whole path exists. */
  rest: readonly string[];
}

/** The limit of Linux. */
const MAX_LINKS = 40;

interface Walk {
  at: string;
  rest: string[];
  pending: string[];
  links: number;
}

/**
 * Follows every link of an absolute path, as far as the path exists. A missing part, even behind a link, resolves to
 * the place where it would be: so the verdict does not depend on whether something exists outside.
 */
export async function locate(path: string): Promise<Spot> {
  const walk: Walk = { at: sep, rest: [], pending: path.split(sep), links: 0 };
  for (let name = walk.pending.shift(); name !== undefined; name = walk.pending.shift()) await step(walk, name);
  const { at, rest } = walk;
  // File systems that fold case or normalise names return each entry's own spelling here. An entry that has vanished
  // has none, and opening it fails.
  const existing = await realpath(at).catch(() => at);
  return { path: join(existing, ...rest), existing, rest };
}

async function step(walk: Walk, name: string): Promise<void> {
  if (name === '' || name === '.') return;
  if (name === '..') {
    if (walk.rest.pop() === undefined) walk.at = dirname(walk.at);
  } else if (walk.rest.length > 0) walk.rest.push(name);
  else await enter(walk, name);
}

async function enter(walk: Walk, name: string): Promise<void> {
  const next = join(walk.at, name);
  const found = await lookAt(next);
  if (found === 'entry') walk.at = next;
  else if (found === 'missing' || walk.links === MAX_LINKS) walk.rest.push(name);
  else {
    walk.links += 1;
    walk.pending.unshift(...found.target.split(sep));
    if (found.target.startsWith(sep)) walk.at = sep;
  }
}

/** An entry that cannot be inspected counts as missing. */
async function lookAt(path: string): Promise<'entry' | 'missing' | { target: string }> {
  try {
    return { target: await readlink(path) };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EINVAL' ? 'entry' : 'missing';
  }
}
