import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { commandHints } from '../config/command-hints.js';
import { removeDrafts, writeBriefly } from '../disk/write-whole.js';
import { toStorageError } from '../protocol/failures.js';
import { acquireLock, DatabaseHeldError, NotALockError } from '../services/record/sqlite/sqlite-database.js';
import { closeContents, closeHome, type Narrowed } from './secure-home-permissions.js';

/** The paths in `COMPANION_HOME`. */
export interface HomePaths {
  home: string;
  registry: string;
  journal: string;
  /** The keys that identify this daemon to push services of browsers. */
  vapid: string;
  /** The keys for signing and deriving tokens. */
  keys: string;
  /** The last version that the CLI reported, and its file. */
  claudeVersion: string;
  run: string;
  /** How the directories of sessions were before their turns. */
  snapshots: string;
  /** Notes of the folders in which directories are being cloned or checked out. */
  clones: string;
  /** Files that devices have deleted. */
  trash: string;
  /** Copies of what git needs to look at a repository. */
  scratch: string;
  /** Beside the home, which no child may read: the CLI's data for people other than the owner. */
  people: string;
  logs: string;
  lock: string;
  pid: string;
  /** Names the watch over the children of a dead daemon. */
  orphanWatch: string;
}

/** The home cannot be created or written, or others can access it. */
export class HomeUnusableError extends Error {}

/** The home of a daemon that serves it alone. */
export interface HeldHome {
  paths: HomePaths;
  /** The entries that others could have opened until now. */
  narrowed: Narrowed[];
  /** Releases it for another daemon. */
  close(): void;
}

/**
 * Creates the home, for its owner alone, and makes this process its only daemon. Before the lock is held only the
 * folder itself is touched: its contents may be in use. Throws `HomeUnusableError`, `HomeInUseError` naming the daemon
 * that serves it, and `STORAGE_FULL`.
 */
export function openHome(home: string): HeldHome {
  const paths = pathsIn(home);
  const closed = usable(() => closeHome(home, paths.lock));
  const lock = lockHome(paths);
  try {
    const narrowed = [...closed, ...usable(() => closeContents(home, [paths.logs, paths.run]))];
    removeDrafts(home);
    writePid(paths.pid);
    return { paths, narrowed, close: () => unlock(paths.pid, lock) };
  } catch (error) {
    lock.close();
    throw error;
  }
}

function usable<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new HomeUnusableError(`COMPANION_HOME cannot be used: ${(error as Error).message}`);
  }
}

function unlock(pidFile: string, lock: { close(): void }): void {
  rmSync(pidFile, { force: true });
  lock.close();
}

const pathsIn = (home: string): HomePaths => ({
  home,
  logs: join(home, 'logs'),
  run: join(home, 'run'),
  snapshots: join(home, 'snapshots'),
  clones: join(home, 'clones'),
  trash: join(home, 'trash'),
  scratch: join(home, 'scratch'),
  people: `${home}-people`,
  registry: join(home, 'registry.json'),
  journal: join(home, 'journal.db'),
  vapid: join(home, 'vapid.json'),
  keys: join(home, 'keys.json'),
  claudeVersion: join(home, 'claude-version.json'),
  lock: join(home, 'daemon.lock'),
  pid: join(home, 'daemon.pid'),
  orphanWatch: join(home, 'orphan-watch'),
});

/** Another daemon serves this home. */
export class HomeInUseError extends Error {}

function lockHome(paths: HomePaths): { close(): void } {
  try {
    return acquireLock(paths.lock);
  } catch (error) {
    // Not removed here: a daemon may still hold it, and there would be two.
    if (error instanceof NotALockError) throw notALock(paths);
    if (!(error instanceof DatabaseHeldError)) throw toStorageError('The home of the daemon', error);
    throw new HomeInUseError(
      `Another daemon already serves ${paths.home} (pid ${readHolder(paths.pid)}). To stop it: ` +
        commandHints(paths.home).companion('stop'),
    );
  }
}

const notALock = ({ lock, pid }: HomePaths): HomeUnusableError =>
  new HomeUnusableError(
    `COMPANION_HOME cannot be used: ${lock} was overwritten with something else. When no daemon runs there (the last ` +
      `one had pid ${readHolder(pid)}), remove the file and start again.`,
  );

/** A daemon that died on a full disk has left its file: it is overwritten in place, which needs no more space. */
function writePid(path: string): void {
  const pid = String(process.pid);
  try {
    writeBriefly(path, pid);
  } catch (error) {
    if (!overwrite(path, pid)) throw toStorageError('The home of the daemon', error);
  }
}

function overwrite(path: string, text: string): boolean {
  try {
    const file = openSync(path, 'r+');
    try {
      ftruncateSync(file, writeSync(file, text, 0));
    } finally {
      closeSync(file);
    }
    return true;
  } catch {
    // The error of the first attempt gives the reason.
    return false;
  }
}

function readHolder(path: string): string {
  try {
    return readFileSync(path, 'utf8') || 'unknown';
  } catch {
    // The holder has just started and not written it yet.
    return 'unknown';
  }
}
