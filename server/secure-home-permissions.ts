import { chmodSync, lstatSync, mkdirSync, readdirSync, type Stats, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { isMarked, markExisting, OWN_FILE } from '../disk/own-file.js';
import type { Log } from '../services/ports/log.js';

/** Something that others could have opened, and cannot any more. */
export interface Narrowed {
  /** Below the home; `.` is the home itself. */
  path: string;
  /** The mode that it had, in octal. */
  mode: string;
}

const OWNER_ONLY = 0o700;
const OTHERS = 0o077;
const ALL = 0o777;
/** With the bits for another user or group, and for removal. */
const PERMISSIONS = 0o7777;

/**
 * Makes the home where it is not there, and takes from others what they may do with it and with the file of the lock,
 * which is opened next. Links are not followed, but for the home's own name. Throws when something belongs to another user
 * or cannot be closed, and says what to do.
 */
export function closeHome(home: string, lock: string): Narrowed[] {
  requireFolderOfItsOwn(home);
  makeFolder(home);
  requireOwnLink(home);
  return [...own(home, home, statSync(home)), ...own(home, lock, statusOf(lock))];
}

/**
 * Does the same with these folders in it and with what lies in the home and in each of them. Nothing deeper is looked at:
 * it lies in a folder that is closed now. The folders come first, so that nobody can exchange what is looked at.
 */
export function closeContents(home: string, folders: readonly string[]): Narrowed[] {
  const narrowed: Narrowed[] = [];
  for (const folder of folders) {
    makeFolder(folder);
    requireOwner(folder, statSync(folder));
    narrowed.push(...own(home, folder, statusOf(folder)));
  }
  for (const folder of [home, ...folders]) {
    for (const name of readdirSync(folder))
      narrowed.push(...own(home, join(folder, name), statusOf(join(folder, name))));
  }
  return narrowed;
}

function own(home: string, path: string, stats: Stats | undefined): Narrowed[] {
  if (!stats) return [];
  requireOwner(path, stats);
  if (stats.isSymbolicLink() || !narrow(path, stats)) return [];
  return [{ path: relative(home, path) || '.', mode: octal(stats) }];
}

function requireFolderOfItsOwn(home: string): void {
  if (!`${homedir()}${sep}`.startsWith(join(resolve(home), sep)) || resolve(home) === homedir()) return;
  throw new Error(
    `${home} contains your home directory, so it cannot be closed to other users. Choose a separate folder`,
  );
}

/** Whoever owns a link may let it lead elsewhere; but root may do that with anything. */
function requireOwnLink(home: string): void {
  const link = lstatSync(home);
  if (link.isSymbolicLink() && link.uid !== 0) requireOwner(home, link);
}

/** Part by part: the `recursive` of Node (20.20) never comes back from a folder that takes none, such as `/proc`. */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path, { mode: OWNER_ONLY });
}

/** Of a link itself. What a child or an ending daemon has removed meanwhile has none. */
const statusOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

/** Root owns nothing of others here either: a daemon of root's would write into a person's home what they cannot remove. */
function requireOwner(path: string, { uid }: Stats): void {
  const own = process.getuid?.() ?? uid;
  if (uid === own) return;
  throw new Error(
    `${path} belongs to another user (uid ${uid}), who could read and change it. If you trust it, ` +
      `make the daemon's user its owner: chown -h ${own} '${path}'. Otherwise move it elsewhere`,
  );
}

/**
 * Whether others could have opened it. There are file systems that keep no permissions, and take a change of them
 * without a word.
 */
function narrow(path: string, stats: Stats): boolean {
  const mode = stats.mode & ALL;
  const wanted = stats.isDirectory() ? OWNER_ONLY : mode & OWNER_ONLY;
  if (stats.isFile() && !isMarked(stats.mode) && mode === wanted) markExisting(path);
  if (mode === wanted) return false;
  const failed = changeMode(path, stats.isFile() ? OWN_FILE : wanted);
  if (failed === undefined) return (mode & OTHERS) !== 0;
  throw new Error(`other users can open ${path} (${octal(stats)}), and its mode cannot be changed: ${failed}`);
}

/** Returns why it could not be done. */
function changeMode(path: string, wanted: number): string | undefined {
  try {
    chmodSync(path, wanted);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? undefined : `${message}. Run: chmod go-rwx '${path}'`;
  }
  const now = statSync(path, { throwIfNoEntry: false });
  if (!now || (now.mode & OTHERS) === 0) return undefined;
  return 'the file system does not store permissions. Choose a COMPANION_HOME on one that does';
}

const octal = ({ mode }: Stats): string => (mode & PERMISSIONS).toString(8).padStart(4, '0');

/** An old home may have thousands of folders in it. */
const MAX_NAMED = 20;

/** Tells the owner what others could have read. */
export function reportNarrowed(narrowed: readonly Narrowed[], log: Log): void {
  for (const { path, mode } of narrowed.slice(0, MAX_NAMED)) {
    log.warn('other users could open this path in COMPANION_HOME until now', { path, mode });
  }
  const more = narrowed.length - MAX_NAMED;
  if (more > 0) log.warn('other users could open more paths in COMPANION_HOME until now', { more });
}
