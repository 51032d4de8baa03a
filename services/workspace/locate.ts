import { readlink, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

/** Where a path leads. */
export interface Spot {
  /** Canonical: no links, no dots. */
  path: string;
  /** The part of it that is there. */
  existing: string;
  /** The names behind that part: empty when all of it is there. */
  rest: readonly string[];
}

/** As many as Linux follows. */
const MAX_LINKS = 40;

interface Walk {
  at: string;
  rest: string[];
  pending: string[];
  links: number;
}

/**
 * Follows every link of an absolute path, as far as the path exists. What is missing, also behind a link, is taken for
 * the place where it would be: so whether something outside exists makes no difference to who judges the place.
 */
export async function locate(path: string): Promise<Spot> {
  const walk: Walk = { at: sep, rest: [], pending: path.split(sep), links: 0 };
  for (let name = walk.pending.shift(); name !== undefined; name = walk.pending.shift()) await step(walk, name);
  const { at, rest } = walk;
  // A file system that folds case or normalises names gives each entry its own spelling here. What went away meanwhile
  // has none, and is refused when it is opened.
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

/** What cannot be looked at counts as missing. */
async function lookAt(path: string): Promise<'entry' | 'missing' | { target: string }> {
  try {
    return { target: await readlink(path) };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EINVAL' ? 'entry' : 'missing';
  }
}
