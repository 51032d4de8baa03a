import { chmodSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { OWN_FILE } from '../../../disk/own-file.js';
import { sqliteCode, storageError } from '../damage/damage-guard.js';

export type SqliteDatabase = Sqlite.Database;

const KEPT_LOG_BYTES = 16 * 1024 * 1024;

/** Raised when another process holds the file. */
export class DatabaseHeldError extends Error {}

/** The file at the lock's path is not a lock. */
export class NotALockError extends Error {}

/**
 * Connects to the journal's file, created if missing and readable only by its owner. WAL with `synchronous=NORMAL`: a
 * committed transaction survives this process; see `WalSync` for power loss.
 */
export function connect(path: string): SqliteDatabase {
  const database = new Sqlite(path);
  try {
    chmodSync(path, OWN_FILE);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    database.pragma('cache_size = -2048');
    // After a burst, the log shrinks when it restarts.
    database.pragma(`journal_size_limit = ${KEPT_LOG_BYTES}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** An empty database without a file. */
export const connectInMemory = (): SqliteDatabase => new Sqlite(':memory:');

/** Connects to a journal that another connection of this process writes. */
export const connectToRead = (path: string): SqliteDatabase => new Sqlite(path, { readonly: true });

/** Connects to a damaged journal to read what can be saved: changes nothing, and accepts a truncated file. */
export function connectToDamaged(path: string): SqliteDatabase {
  const database = new Sqlite(path, { readonly: true });
  database.unsafeMode(true);
  database.pragma('writable_schema = ON');
  return database;
}

/**
 * Takes a lock that the kernel releases when this process ends, however it ends: an exclusive transaction on a separate
 * database, held open (POSIX record locks, sqlite.org/lockingv3.html). Throws `DatabaseHeldError` when another process
 * has it, `NotALockError` when the file is not a lock, `STORAGE_FULL` when the file cannot be created.
 */
export function acquireLock(path: string): { close(): void } {
  const database = new Sqlite(path, { timeout: 0 });
  try {
    chmodSync(path, OWN_FILE);
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (sqliteCode(error)?.startsWith('SQLITE_BUSY')) throw new DatabaseHeldError(path);
    if (sqliteCode(error)?.startsWith('SQLITE_NOTADB')) throw new NotALockError(path);
    throw storageError(error);
  }
  return { close: () => database.close() };
}

/** Moves the whole log into the database and syncs it. Throws when that is incomplete. */
export function checkpoint(database: SqliteDatabase): void {
  const [done] = database.pragma('wal_checkpoint(FULL)') as { busy: number }[];
  if (done?.busy !== 0) throw new Error('the log is in use');
}
