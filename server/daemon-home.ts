import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { commandHints } from '../config/command-hints.js';
import { removeDrafts, writeBriefly } from '../disk/write-whole.js';
import { toStorageError } from '../protocol/storage-error.js';
import { acquireLock, DatabaseHeldError, NotALockError } from '../services/journal/sqlite-database.js';
import { closeContents, closeHome, type Narrowed } from './secure-home-permissions.js';

/** The places in `COMPANION_HOME`. */
export interface HomePaths {
  home: string;
  registry: string;
  journal: string;
  /** The keys by which push services of browsers know this daemon. */
  vapid: string;
  /** What tokens are signed and made with. */
  keys: string;
  /** The version that the CLI said last, and of which file. */
  claudeVersion: string;
  run: string;
  /** Beside the home, which no child may read: what the CLI keeps for people other than the owner. */
  people: string;
  logs: string;
  lock: string;
  pid: string;
  /** Names the watch over the children of a daemon that is gone. */
  orphanWatch: string;
}

/** The home cannot be made or written, or others can get at it. */
export class HomeUnusableError extends Error {}

/** The home of a daemon that serves it alone. */
export interface HeldHome {
  paths: HomePaths;
  /** What others could have opened until now. */
  narrowed: Narrowed[];
  /** Lets another daemon have it. */
  close(): void;
}

/**
 * Makes the home, for its owner alone, and this process its one daemon. Nothing but the folder itself is touched before
 * the lock is held: what lies in it may be in use. Throws `HomeUnusableError`, `HomeInUseError` saying who serves it, and
 * `STORAGE_FULL`.
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
    // Not removed here: a daemon may hold it all the same, and there would be two.
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

/** A daemon that died on a full disk has left its file: that is written in place, which needs no more room. */
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
    // The error of the first attempt says what is wrong.
    return false;
  }
}

function readHolder(path: string): string {
  try {
    return readFileSync(path, 'utf8') || 'unknown';
  } catch {
    // The holder, started this moment, has not written it yet.
    return 'unknown';
  }
}
