import { accessSync, chmodSync, constants } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { OWN_FILE } from '../../disk/own-file.js';
import { storageFull } from '../../protocol/storage-error.js';
import { JournalDamaged } from './journal-damaged.js';

export type SqliteDatabase = Sqlite.Database;

const KEPT_LOG_BYTES = 16 * 1024 * 1024;

/** Raised when another process holds the file. */
export class DatabaseHeldError extends Error {}

/** What lies in the place of a lock is something else. */
export class NotALockError extends Error {}

/**
 * Connects to the journal's file, made when there is none and readable by its owner alone.
 * WAL with `synchronous=NORMAL`: a committed transaction survives this process; see `WalSync` for the loss of power.
 */
export function connect(path: string): SqliteDatabase {
  const database = new Sqlite(path);
  try {
    chmodSync(path, OWN_FILE);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    database.pragma('cache_size = -2048');
    // After a flood the log gives its room back when it begins anew.
    database.pragma(`journal_size_limit = ${KEPT_LOG_BYTES}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** An empty database that is no file. */
export const connectInMemory = (): SqliteDatabase => new Sqlite(':memory:');

/** Connects to a damaged journal to save what can be read: nothing in it is changed, and a file that is too short will do. */
export function connectToDamaged(path: string): SqliteDatabase {
  const database = new Sqlite(path, { readonly: true });
  database.unsafeMode(true);
  database.pragma('writable_schema = ON');
  return database;
}

/**
 * Takes a lock that the kernel gives back when this process ends, however it ends: an exclusive transaction
 * on a database of its own, held open (POSIX record locks, sqlite.org/lockingv3.html).
 * Throws `DatabaseHeldError` when another process has it, `NotALockError` when the file is none, `STORAGE_FULL` when the file cannot be made.
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

/** By its name, not its class: where the package is loaded twice in a process, its errors are all of the first one's class. */
function sqliteCode(error: unknown): string | undefined {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  return name === 'SqliteError' && typeof code === 'string' ? code : undefined;
}

const DISK_CODES = /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN)/;

/** Turns the failures that an owner can mend into `STORAGE_FULL`; any other is passed on. */
export function storageError(error: unknown): unknown {
  const code = sqliteCode(error);
  return code && DISK_CODES.test(code) ? storageFull('The journal', `${(error as Error).message} (${code})`) : error;
}

/** Moves all of the log into the database and syncs it. Throws when something of it could not be. */
export function checkpoint(database: SqliteDatabase): void {
  const [done] = database.pragma('wal_checkpoint(FULL)') as { busy: number }[];
  if (done?.busy !== 0) throw new Error('the log is in use');
}

/** An event's place is taken only where an index leads astray. (A prompt's request id may well be.) */
const MESSAGES_OF_DAMAGE = /constraint failed: events\.|malformed JSON/;
const CODES_OF_DAMAGE = /^SQLITE_(CORRUPT|NOTADB|FORMAT|TOOBIG|IOERR_SHORT_READ)/;

/** The error as `JournalDamaged` where it means that the file is not as it was written; any other is passed on. */
export function damageError(error: unknown): unknown {
  const code = sqliteCode(error) ?? '';
  const { message } = error as Error;
  const unreadable = error instanceof SyntaxError;
  if (!unreadable && !CODES_OF_DAMAGE.test(code) && !(code !== '' && MESSAGES_OF_DAMAGE.test(message))) return error;
  return new JournalDamaged(unreadable ? 'a row cannot be parsed' : `${code}: ${message}`);
}

/** As `damageError`, for what opening throws: there, a statement that fails means that the schema is not ours any more. */
export function damageAtOpening(error: unknown, path: string): unknown {
  const code = sqliteCode(error) ?? '';
  const looksReadOnly = code === 'SQLITE_READONLY' && isWritable(path);
  if (code !== 'SQLITE_ERROR' && code !== 'SQLITE_NOMEM' && !looksReadOnly) return damageError(error);
  return new JournalDamaged(`${code}: ${(error as Error).message}`);
}

/** A file's header may say that it is not to be written. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    // Whatever the reason: then it is not the header that forbids it.
    return false;
  }
}
