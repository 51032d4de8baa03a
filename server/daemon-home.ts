import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toStorageError } from '../protocol/storage-error.js';
import { acquireLock, DatabaseHeldError } from '../services/journal/sqlite-database.js';
import { type Narrowed, ownHome } from './own-home.js';

/** The places in `COMPANION_HOME`. */
export interface HomePaths {
  home: string;
  registry: string;
  journal: string;
  /** The keys by which push services of browsers know this daemon. */
  vapid: string;
  /** What tokens are signed and made with. */
  keys: string;
  run: string;
  logs: string;
  lock: string;
  pid: string;
  /** Names the watch over the children of a daemon that is gone. */
  orphanWatch: string;
}

/** The home cannot be made or written, or others can get at it. */
export class HomeUnusableError extends Error {}

/** Makes the daemon's home, for its owner alone, also one that was open to others. Throws `HomeUnusableError`. */
export function prepareHome(home: string): { paths: HomePaths; narrowed: Narrowed[] } {
  const paths = pathsIn(home);
  try {
    return { paths, narrowed: ownHome(home, [paths.logs, paths.run]) };
  } catch (error) {
    throw new HomeUnusableError(`COMPANION_HOME cannot be used: ${(error as Error).message}`);
  }
}

const pathsIn = (home: string): HomePaths => ({
  home,
  logs: join(home, 'logs'),
  run: join(home, 'run'),
  registry: join(home, 'registry.json'),
  journal: join(home, 'journal.db'),
  vapid: join(home, 'vapid.json'),
  keys: join(home, 'keys.json'),
  lock: join(home, 'daemon.lock'),
  pid: join(home, 'daemon.pid'),
  orphanWatch: join(home, 'orphan-watch'),
});

/** Another daemon serves this home. */
export class HomeInUseError extends Error {}

/** Makes this process the one daemon of its home. Throws `HomeInUseError` saying who is. */
export function lockHome(paths: HomePaths): { close(): void } {
  try {
    const lock = acquireLock(paths.lock);
    writeFileSync(paths.pid, String(process.pid), { mode: 0o600 });
    return {
      close: () => {
        rmSync(paths.pid, { force: true });
        lock.close();
      },
    };
  } catch (error) {
    if (!(error instanceof DatabaseHeldError)) throw toStorageError('The home of the daemon', error);
    throw new HomeInUseError(`${paths.home} is served by another daemon already (pid ${readHolder(paths.pid)})`);
  }
}

function readHolder(path: string): string {
  try {
    // Empty while the holder, started this moment, has made the file and not written it.
    return readFileSync(path, 'utf8') || 'unknown';
  } catch {
    return 'unknown';
  }
}
