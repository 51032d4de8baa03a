import { type Dirent, lstat as lookAt, type Stats } from 'node:fs';
import { open, opendir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { FileEntry, FileList } from '../../protocol/files.js';
import { MAX_LISTED_FILES, MAX_LOOKED_AT_FILES } from '../../protocol/limits.js';
import type { FilePlace, ListOptions } from '../ports/workspace.js';
import type { HeldDirectory } from './directory-handle.js';
import { brokenNameRule, type FileAccess, MAX_DEPTH } from './file-access.js';
import { codeOf, fileError, isUnseen, missing } from './file-errors.js';
import { matchesPath, type Part, partOf, type Segment } from './globs.js';
import { READING } from './read-file.js';
import { holdChild, isAllowed, judge, type Scope } from './safe-path.js';
import { type IgnoreRules, parseIgnoreRules } from './snapshot/ignore-rules.js';

/** A quarter of the time of the one in `node:fs/promises`, which counts in long lists. */
const lstat = promisify(lookAt);

interface Listing {
  access: FileAccess;
  scope: Scope;
  /** Matches names relative to the listed folder. */
  accepts: Glob;
  recursive: boolean;
  /** Leaves out what `.gitignore` does. */
  ignores: boolean;
  /** The number of names that lead to the listed folder. */
  depth: number;
  files: FileEntry[];
  lookedAt: number;
  truncated: boolean;
}

/** A folder being listed. */
interface Folder {
  held: HeldDirectory;
  /** Its canonical path. */
  path: string;
  /** Path below the listed folder. */
  names: readonly string[];
  /** Those of this folder last. */
  rules: readonly LocalRules[];
}

/** The rules of a folder, and the names from there down to the listed one. */
interface LocalRules {
  rules: IgnoreRules;
  above: readonly string[];
  /** Of the listed folder's names, how many lead to the folder of the rules. */
  depth: number;
}

/**
 * Lists a folder, or everything below it; only entries that a client could request by their listed path. Links are
 * resolved for their status, but links to folders are not entered. Sorted by path, unless the list is truncated.
 */
export async function listFiles(access: FileAccess, place: FilePlace, options: ListOptions): Promise<FileList> {
  const { names, scope, spot } = await access.find(place);
  const accepts = options.pattern === undefined ? () => true : parseGlob(options.pattern);
  if (spot.rest.length > 0) throw missing();
  const held = await access.hold(spot.path, scope).catch((error: unknown) => {
    throw codeOf(error) === 'ENOTDIR' ? fileError('INVALID_REQUEST', 'must be a directory') : error;
  });
  const { recursive, ignored = false, limit = MAX_LISTED_FILES, offset = 0 } = options;
  const ignores = recursive && !ignored;
  const counts = { depth: names.length, files: [], lookedAt: 0, truncated: false };
  const listing: Listing = { access, scope, accepts, recursive, ignores, ...counts };
  try {
    const rules = ignores ? await rulesAbove(listing, { directory: place.directory, path: spot.path }) : [];
    await walk(listing, { held, path: spot.path, names: [], rules });
  } finally {
    await held.close();
  }
  const found = listing.files.map((entry) => ({ ...entry, path: [...names, entry.path].join('/') }));
  found.sort((a, b) => (a.path < b.path ? -1 : 1));
  const files = found.slice(offset, offset + limit);
  const truncated = listing.truncated || offset + files.length < found.length;
  return { files, basePath: spot.path, total: found.length, ...(truncated && { truncated }) };
}

/** Opens each folder as an entry of its parent, through the parent's handle. */
async function walk(listing: Listing, folder: Folder): Promise<void> {
  const local = listing.ignores ? await rulesIn(folder.held, folder.names) : [];
  const here = { ...folder, rules: [...folder.rules, ...local] };
  const inner: string[] = [];
  let batch: string[] = [];
  const addBatch = async () => {
    await Promise.all(batch.map((name) => add(listing, here, name)));
    batch = [];
  };
  for await (const entry of entriesOf(listing, here)) {
    if (batch.push(entry.name) === AT_ONCE) await addBatch();
    if (entry.isDirectory()) inner.push(entry.name);
  }
  await addBatch();
  if (!listing.recursive) return;
  for (const name of inner) await enter(listing, here, name);
}

/** Those that could be requested and are not ignored. */
async function* entriesOf(listing: Listing, folder: Folder): AsyncGenerator<Dirent> {
  for await (const entry of await opendir(folder.held.self())) {
    if (isFull(listing)) return;
    listing.lookedAt += 1;
    if (!isOpen(listing.scope, folder, entry.name)) continue;
    if (!listing.ignores || !isIgnored(folder, entry)) yield entry;
  }
}

/** Entries whose status is read at once. */
const AT_ONCE = 64;

function isFull(listing: Listing): boolean {
  if (listing.lookedAt < MAX_LOOKED_AT_FILES) return false;
  listing.truncated = true;
  return true;
}

const GIT = '.git';

/** The deepest rules that speak of it decide. */
function isIgnored({ rules, names: folder }: Folder, entry: Dirent): boolean {
  if (entry.name === GIT) return true;
  const names = [...folder, entry.name];
  const isFolder = entry.isDirectory();
  const verdicts = rules.map((local) => local.rules([...local.above, ...names.slice(local.depth)], isFolder));
  return verdicts.findLast((verdict) => verdict !== undefined) ?? false;
}

const MAX_IGNORE_BYTES = 64 * 1024;

/** Of a held folder. What cannot be read has no rules. */
async function rulesIn(held: HeldDirectory, names: readonly string[]): Promise<LocalRules[]> {
  const handle = await passedOver(open(held.entry('.gitignore'), READING));
  if (!handle) return [];
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size > MAX_IGNORE_BYTES) return [];
    return [{ rules: parseIgnoreRules(await handle.readFile('utf8')), above: [], depth: names.length }];
  } finally {
    await handle.close();
  }
}

/** Those of the folders from the session's directory down to the listed one, unless a link leads there. */
async function rulesAbove(
  listing: Listing,
  { directory, path }: { directory: string; path: string },
): Promise<LocalRules[]> {
  const down = relative(directory, path);
  if (down === '' || down.startsWith('..')) return [];
  const names = down.split('/');
  const found: LocalRules[] = [];
  for (const index of names.keys()) {
    const held = await listing.access.hold(join(directory, ...names.slice(0, index)), listing.scope);
    try {
      for (const local of await rulesIn(held, [])) found.push({ ...local, above: names.slice(index) });
    } finally {
      await held.close();
    }
  }
  return found;
}

/** Whether the entry could be requested. */
const isOpen = (scope: Scope, { path }: Folder, name: string): boolean =>
  brokenNameRule(name) === undefined && isAllowed(join(path, name), scope);

async function enter(listing: Listing, folder: Folder, name: string): Promise<void> {
  if (listing.truncated) return;
  if (listing.depth + folder.names.length >= MAX_DEPTH) {
    listing.truncated = true;
    return;
  }
  const held = await passedOver(holdChild(folder.held, name, listing.scope));
  if (!held) return;
  try {
    await passedOver(walk(listing, { ...folder, held, path: join(folder.path, name), names: [...folder.names, name] }));
  } finally {
    await held.close();
  }
}

async function add(listing: Listing, folder: Folder, name: string): Promise<void> {
  const path = [...folder.names, name].join('/');
  if (!listing.accepts(path)) return;
  const stats = await passedOver(lstat(folder.held.entry(name)));
  const meant = stats?.isSymbolicLink() ? await passedOver(behindLink(listing, join(folder.path, name))) : stats;
  const type = meant && typeOf(meant);
  if (!type) return;
  const size = type === 'file' ? { size: meant.size } : {};
  listing.files.push({ path, name, type, ...size, modifiedAt: new Date(meant.mtimeMs).toISOString() });
}

/** The target of a link, by the same decision as when it is read. */
async function behindLink({ access, scope }: Listing, path: string): Promise<Stats | undefined> {
  const spot = await judge(path, scope);
  if (spot.rest.length > 0) return undefined;
  return access.lookAt(spot.path, scope);
}

const typeOf = (stats: Stats): FileEntry['type'] | undefined => {
  if (stats.isFile()) return 'file';
  return stats.isDirectory() ? 'directory' : undefined;
};

/** Skips an entry that has vanished or cannot be inspected. */
async function passedOver<Result>(asked: Promise<Result>): Promise<Result | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CompanionError || isUnseen(error)) return undefined;
    throw error;
  }
}

export type Glob = (path: string) => boolean;

/** Maximum total length of a pattern's alternatives. */
const MAX_CHARACTERS = 512;

/**
 * `*` and `?` match characters within a name, `**` any number of folders, `[a-z]` and `[!a-z]` one character, `{a,b}`
 * alternatives, not nested. A pattern without `/` is matched against the name only, others against the path. Throws
 * `INVALID_REQUEST` with `pattern` when there are too many alternatives.
 */
function parseGlob(pattern: string): Glob {
  const alternatives = expand(pattern).map((text) => text.split('/').map(parseSegment));
  const byName = !pattern.includes('/');
  return (path) => {
    const names = path.split('/');
    const looked = byName ? names.slice(-1) : names;
    return alternatives.some((segments) => matchesPath(segments, looked));
  };
}

function expand(pattern: string): string[] {
  let done: string[] = [''];
  for (const piece of pattern.split(/(\{[^{}]*\})/)) {
    const isChoice = piece.startsWith('{') && piece.endsWith('}') && piece.includes(',');
    const choices = isChoice ? piece.slice(1, -1).split(',') : [piece];
    done = done.flatMap((head) => choices.map((choice) => head + choice));
    if (done.reduce((sum, { length }) => sum + length + 1, 0) > MAX_CHARACTERS + 1) {
      throw invalid('pattern', `must have at most ${MAX_CHARACTERS} characters with all its alternatives`);
    }
  }
  return done;
}

function parseSegment(text: string): Segment {
  if (text === '**') return 'any depth';
  const parts: Part[] = [];
  const pieces = text.matchAll(/\*+|\?|\[!?[^\]]+\]|./gsu);
  for (const [piece] of pieces) parts.push(piece.startsWith('*') ? { kind: 'star' } : partOf(piece));
  return parts;
}
