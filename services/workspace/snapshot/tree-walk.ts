/** The files of a directory that a snapshot covers. Synchronous: it runs in a thread of its own. */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { isMarked } from '../../../disk/own-file.js';
import { isSensitiveName } from '../protected-names.js';
import { type IgnoreRules, parseIgnoreRules } from './ignore-rules.js';

export interface WalkOptions {
  /** Canonical. */
  directory: string;
  /** Device and inode that it must have. */
  key: string;
  /** Device and inode of folders that are never entered, and of files that are never read. */
  never: ReadonlySet<string>;
  /** Whether names of secrets count as ordinary ones. */
  allowSensitive: boolean;
}

/** A file or link. */
export interface FoundFile {
  /** Relative to the directory. */
  path: string;
  stats: Stats;
  /** When it came to this path, at the latest, in epoch milliseconds: a folder can be moved with what is in it. */
  arrivedMs: number;
  /** Its whole content, at most this many bytes; that of a link is its target. Undefined when it cannot be read. */
  read(maxBytes: number): Uint8Array | undefined;
}

export interface WalkResult {
  /** False when a limit was reached. */
  isWhole: boolean;
  /** When each folder was last changed, by path, in epoch milliseconds. */
  folders: Map<string, number>;
}

const MAX_FILES = 50_000;
const MAX_ENTRIES = 150_000;
const MAX_DEPTH = 64;
/** Of working time. */
const MAX_MS = 10_000;
const MAX_IGNORE_BYTES = 256 * 1024;

/** Of version control, and of dependencies, which would hide what changes behind their number. */
const PASSED_OVER = new Set(['.git', '.hg', '.svn', '.jj', 'node_modules', '.venv', '__pycache__']);

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** macOS 11 flag: no part of the path can be a link. */
const O_NOFOLLOW_ANY = 0x20000000;
const NO_LINKS = process.platform === 'darwin' ? O_NOFOLLOW_ANY : O_NOFOLLOW;
/** On Linux `/proc/self/fd/N` is the open folder itself, so that no folder above can be exchanged for a link. */
const HAS_PROC = process.platform === 'linux';

interface Walk extends WalkOptions {
  device: number;
  files: number;
  entries: number;
  workedMs: number;
  result: WalkResult;
}

interface Folder {
  /** Its path, by which what its entries are is found fastest. */
  path: string;
  /** By which the system finds its entries, whatever the path leads to now. */
  at: string;
  names: readonly string[];
  rules: readonly LocalRules[];
  /** When it or a folder above it was last changed, except for the directory itself. */
  changedMs: number;
}

/** Rules of a folder, and how many of a path's names lead to it: negative for a folder above the directory. */
interface LocalRules {
  rules: IgnoreRules;
  depth: number;
  /** The names from a folder above down to the directory. */
  above: readonly string[];
}

/**
 * Yields each file, in an order that depends only on the names. Links are not followed, also when they take the place of
 * a folder meanwhile. Files are left out that `.gitignore` ignores, whose names indicate secrets, that have a name which
 * is no UTF-8, or that are no files. Throws when the directory is gone or another.
 */
export function* walkTree(options: WalkOptions): Generator<FoundFile, WalkResult> {
  const root = openSync(options.directory, O_RDONLY | O_DIRECTORY | NO_LINKS);
  try {
    const { dev, ino } = fstatSync(root, { bigint: true });
    if (`${dev}:${ino}` !== options.key) throw new Error('the directory is not the one that was opened');
    const result: WalkResult = { isWhole: true, folders: new Map() };
    const walk: Walk = { ...options, device: Number(dev), files: 0, entries: 0, workedMs: 0, result };
    const at = HAS_PROC ? `/proc/self/fd/${root}` : options.directory;
    yield* walkFolder(
      walk,
      { path: options.directory, at, names: [], rules: rulesAbove(options.directory, at), changedMs: 0 },
      root,
    );
    return result;
  } finally {
    closeSync(root);
  }
}

function* walkFolder(walk: Walk, folder: Folder, handle: number): Generator<FoundFile> {
  const beganAt = performance.now();
  const entries = readFolder(folder.at);
  walk.result.folders.set(folder.names.join('/'), fstatSync(handle).ctimeMs);
  const rules = rulesIn(folder, entries);
  const local = { ...folder, rules };
  walk.workedMs += performance.now() - beganAt;
  for (const entry of entries) {
    if (isFull(walk)) return;
    if (!isCovered(walk, local, entry)) continue;
    const startedAt = performance.now();
    if (entry.isDirectory()) yield* enter(walk, local, entry.name);
    else {
      const found = fileAt(local, entry.name);
      walk.workedMs += performance.now() - startedAt;
      if (!found || walk.never.has(`${found.stats.dev}:${found.stats.ino}`)) continue;
      walk.files += 1;
      yield found;
    }
  }
}

function isFull(walk: Walk): boolean {
  walk.entries += 1;
  if (walk.files < MAX_FILES && walk.entries < MAX_ENTRIES && walk.workedMs < MAX_MS) return false;
  walk.result.isWhole = false;
  return true;
}

/** What this account cannot read, its programs do not change. */
function readFolder(at: string): Dirent[] {
  try {
    return readdirSync(at, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    // Gone or closed to this account.
    return [];
  }
}

const UNREADABLE = '\ufffd';
/** Names like most, of which no system makes one with another beginning. */
const PLAIN = /^[!-\-/-~][ -~]*$/;

function isCovered({ allowSensitive }: Walk, { names, rules }: Folder, entry: Dirent): boolean {
  const { name } = entry;
  const isFolder = entry.isDirectory();
  if (isFolder ? PASSED_OVER.has(name) : !entry.isFile() && !entry.isSymbolicLink()) return false;
  if (!PLAIN.test(name) && (name.includes(UNREADABLE) || (!allowSensitive && isSensitiveName(name)))) return false;
  return !isIgnored(rules, [...names, name], isFolder);
}

/** The rules of the nearest folder that say anything decide. */
function isIgnored(rules: readonly LocalRules[], names: readonly string[], isFolder: boolean): boolean {
  for (let index = rules.length - 1; index >= 0; index -= 1) {
    const local = rules[index];
    const verdict = local?.rules([...local.above, ...names.slice(local.depth)], isFolder);
    if (verdict !== undefined) return verdict;
  }
  return false;
}

function* enter(walk: Walk, { path, at, names, rules, changedMs }: Folder, name: string): Generator<FoundFile> {
  if (names.length >= MAX_DEPTH) {
    walk.result.isWhole = false;
    return;
  }
  const handle = open(`${at}/${name}`, O_DIRECTORY);
  if (handle === undefined) return;
  try {
    const { dev, ino, ctimeMs } = fstatSync(handle, { bigint: true });
    if (Number(dev) !== walk.device || walk.never.has(`${dev}:${ino}`)) return;
    const inner = HAS_PROC ? `/proc/self/fd/${handle}` : `${at}/${name}`;
    const latest = Math.max(changedMs, Number(ctimeMs));
    const folder = { path: `${path}/${name}`, at: inner, names: [...names, name], rules, changedMs: latest };
    yield* walkFolder(walk, folder, handle);
  } finally {
    closeSync(handle);
  }
}

function open(path: string, flags: number): number | undefined {
  try {
    return openSync(path, O_RDONLY | O_NONBLOCK | NO_LINKS | flags);
  } catch {
    // Gone, exchanged or closed to this account.
    return undefined;
  }
}

function fileAt({ path, at, names, changedMs }: Folder, name: string): FoundFile | undefined {
  const place = `${at}/${name}`;
  try {
    const stats = lstatSync(`${path}/${name}`);
    if (!stats.isFile() && !stats.isSymbolicLink()) return undefined;
    const read = (maxBytes: number) => (stats.isSymbolicLink() ? readLink(place) : readFile(place, maxBytes));
    return { path: [...names, name].join('/'), stats, arrivedMs: Math.max(stats.ctimeMs, changedMs), read };
  } catch {
    // Gone meanwhile.
    return undefined;
  }
}

function readLink(place: string): Uint8Array | undefined {
  try {
    return readlinkSync(place, 'buffer');
  } catch {
    // Gone, or a link no longer.
    return undefined;
  }
}

/** A file with several names, or of a daemon's home, can hold a secret under an ordinary name. */
const mayHoldSecret = ({ nlink, mode }: Stats): boolean => nlink > 1 || isMarked(mode);

function readFile(place: string, maxBytes: number, mayBeRead = (stats: Stats) => !mayHoldSecret(stats)) {
  const handle = open(place, 0);
  if (handle === undefined) return undefined;
  try {
    const stats = fstatSync(handle);
    if (!stats.isFile() || stats.size > maxBytes || !mayBeRead(stats)) return undefined;
    const bytes = Buffer.alloc(stats.size);
    let length = 0;
    for (let more = -1; more !== 0 && length < bytes.length; length += more)
      more = readSync(handle, bytes, length, bytes.length - length, length);
    return bytes.subarray(0, length);
  } catch {
    // A disk that cannot be read.
    return undefined;
  } finally {
    closeSync(handle);
  }
}

const IGNORE_FILE = '.gitignore';

function rulesIn({ at, names, rules }: Folder, entries: readonly Dirent[]): readonly LocalRules[] {
  if (!entries.some(({ name }) => name === IGNORE_FILE)) return rules;
  return [...rules, ...localRules(`${at}/${IGNORE_FILE}`, names.length, [])];
}

function localRules(path: string, depth: number, above: readonly string[]): LocalRules[] {
  const text = readFile(path, MAX_IGNORE_BYTES, () => true);
  return text ? [{ rules: parseIgnoreRules(Buffer.from(text).toString('utf8')), depth, above }] : [];
}

/** Those of the repository that contains the directory, from its root down: git's order of precedence. */
function rulesAbove(directory: string, at: string): LocalRules[] {
  if (hasEntry(at, '.git')) return localRules(`${at}/.git/info/exclude`, 0, []);
  const found: LocalRules[] = [];
  for (let folder = dirname(directory); folder !== dirname(folder); folder = dirname(folder)) {
    const above = relative(folder, directory).split('/');
    found.unshift(...localRules(join(folder, IGNORE_FILE), 0, above));
    if (hasEntry(folder, '.git')) return [...localRules(join(folder, '.git/info/exclude'), 0, above), ...found];
  }
  return [];
}

const hasEntry = (folder: string, name: string): boolean =>
  lstatSync(`${folder}/${name}`, { throwIfNoEntry: false }) !== undefined;
