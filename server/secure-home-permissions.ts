import { chmodSync, lstatSync, mkdirSync, readdirSync, type Stats, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { isMarked, markExisting, OWN_FILE } from '../disk/own-file.js';
import type { Log } from '../services/ports/log.js';

/** An entry that others could have opened until now. */
export interface Narrowed {
  /** Relative to the home; `.` is the home itself. */
  path: string;
  /** Its earlier mode, in octal. */
  mode: string;
}

const OWNER_ONLY = 0o700;
const OTHERS = 0o077;
const ALL = 0o777;
/** With the bits for another user or group, and for removal. */
const PERMISSIONS = 0o7777;

/**
 * Creates the home where it is missing, and removes other users' access to it and to the lock file, which is opened
 * next. Links are not followed, except for the home itself. Throws when an entry belongs to another user or cannot be
 * closed, with a remedy.
 */
export function closeHome(home: string, lock: string): Narrowed[] {
  requireFolderOfItsOwn(home);
  makeFolder(home);
  requireOwnLink(home);
  return [...own(home, home, statSync(home)), ...own(home, lock, statusOf(lock))];
}

/**
 * Does the same with these folders in it, and with the entries of the home and of each of them. Deeper entries are not
 * checked: they are in a folder that is closed now. The folders come first, so that other users cannot exchange the
 * entries during the check.
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

/** The owner of a link can redirect it; but root can do that with anything. */
function requireOwnLink(home: string): void {
  const link = lstatSync(home);
  if (link.isSymbolicLink() && link.uid !== 0) requireOwner(home, link);
}

/**
 * Creates one segment at a time: Node's `recursive` (20.20) never returns from a folder that accepts no entries, such
 * as `/proc`.
 */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path, { mode: OWNER_ONLY });
}

/** Does not follow links. Undefined for an entry that a child or an ending daemon has removed meanwhile. */
const statusOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

/** Applies to root too: root's daemon would write files into a person's home that they cannot remove. */
function requireOwner(path: string, { uid }: Stats): void {
  const own = process.getuid?.() ?? uid;
  if (uid === own) return;
  throw new Error(
    `${path} belongs to another user (uid ${uid}), who could read and change it. If you trust it, ` +
      `make the daemon's user its owner: chown -h ${own} '${path}'. Otherwise move it elsewhere`,
  );
}

/** Whether others could have opened it. Some file systems store no permissions, and ignore changes without an error. */
function narrow(path: string, stats: Stats): boolean {
  const mode = stats.mode & ALL;
  const wanted = stats.isDirectory() ? OWNER_ONLY : mode & OWNER_ONLY;
  if (stats.isFile() && !isMarked(stats.mode) && mode === wanted) markExisting(path);
  if (mode === wanted) return false;
  const failed = changeMode(path, stats.isFile() ? OWN_FILE : wanted);
  if (failed === undefined) return (mode & OTHERS) !== 0;
  throw new Error(`other users can open ${path} (${octal(stats)}), and its mode cannot be changed: ${failed}`);
}

/** Returns the reason for a failure. */
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

/** An old home can contain thousands of folders. */
const MAX_NAMED = 20;

/** Reports to the owner what others could have read. */
export function reportNarrowed(narrowed: readonly Narrowed[], log: Log): void {
  for (const { path, mode } of narrowed.slice(0, MAX_NAMED)) {
    log.warn('a path in COMPANION_HOME was open to other users; it is closed now', { path, mode });
  }
  const more = narrowed.length - MAX_NAMED;
  if (more > 0) log.warn('more paths in COMPANION_HOME were open to other users; they are closed now', { more });
}
