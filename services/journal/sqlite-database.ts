import { chmodSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { storageFull } from '../../protocol/storage-error.js';
import { MIGRATIONS } from './migrations.js';

export type SqliteDatabase = Sqlite.Database;

/** Raised when another process holds the file. */
export class DatabaseHeldError extends Error {}

/**
 * Opens (or makes) the journal's file, readable by its owner alone, and brings its schema up to date.
 * WAL with `synchronous=NORMAL`: a committed transaction survives this process; see `WalSync` for the loss of power.
 */
export function openDatabase(path: string): SqliteDatabase {
  const database = new Sqlite(path);
  chmodSync(path, 0o600);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = NORMAL');
  database.pragma('foreign_keys = ON');
  database.pragma('cache_size = -2048');
  migrate(database);
  return database;
}

function migrate(database: SqliteDatabase): void {
  const done = Number(database.pragma('user_version', { simple: true }));
  if (done > MIGRATIONS.length) {
    throw new Error(`journal.db was written by a newer version (schema ${done}, this one knows ${MIGRATIONS.length})`);
  }
  for (let step = done; step < MIGRATIONS.length; step += 1) {
    database.transaction(() => {
      database.exec(MIGRATIONS[step] ?? '');
      database.pragma(`user_version = ${step + 1}`);
    })();
  }
}

/**
 * Takes a lock that the kernel gives back when this process ends, however it ends: an exclusive transaction
 * on a database of its own, held open (POSIX record locks, sqlite.org/lockingv3.html).
 * Throws `DatabaseHeldError` when another process has it, `STORAGE_FULL` when the file cannot be made.
 */
export function acquireLock(path: string): { close(): void } {
  const database = new Sqlite(path, { timeout: 0 });
  try {
    chmodSync(path, 0o600);
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (sqliteCode(error)?.startsWith('SQLITE_BUSY')) throw new DatabaseHeldError(path);
    throw storageError(error);
  }
  return { close: () => database.close() };
}

const sqliteCode = (error: unknown): string | undefined =>
  error instanceof Sqlite.SqliteError ? error.code : undefined;

const DISK_CODES = /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN)/;

/** Turns the failures that an owner can mend into `STORAGE_FULL`; any other is passed on. */
function storageError(error: unknown): unknown {
  const code = sqliteCode(error);
  return code && DISK_CODES.test(code) ? storageFull('The journal', `${(error as Error).message} (${code})`) : error;
}

/** Moves all of the log into the database and syncs it. Throws when something of it could not be. */
export function checkpoint(database: SqliteDatabase): void {
  const [done] = database.pragma('wal_checkpoint(FULL)') as { busy: number }[];
  if (done?.busy !== 0) throw new Error('the log is in use');
}

/** Runs what writes; throws `STORAGE_FULL` when the disk takes no more. */
export function guarded<T>(write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw storageError(error);
  }
}
