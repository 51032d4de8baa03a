import { accessSync, constants } from 'node:fs';
import { isStorageError, storageFull } from '../../../protocol/failures.js';

/** The journal's content is not what was written. The message says where and never quotes the content. */
export class JournalDamaged extends Error {}

/** Wraps every use of the database. After the first sign of damage it rejects all reads and writes. */
export class DamageGuard {
  readonly #onDamage: (damage: JournalDamaged) => void;
  #damage: JournalDamaged | undefined;
  #refusal: unknown;
  #requireFiles = () => {};

  /** `onDamage` is called once, before the call that found the damage is rejected. */
  constructor(onDamage: (damage: JournalDamaged) => void) {
    this.#onDamage = onDamage;
  }

  /** `requireFiles` throws when the files are the reason: damaged content can be that of another file. */
  watchFiles(requireFiles: () => void): void {
    this.#requireFiles = requireFiles;
  }

  get damage(): JournalDamaged | undefined {
    return this.#damage;
  }

  /** The error of the last write; undefined when it succeeded. */
  get refusal(): unknown {
    return this.#refusal;
  }

  /** Like `run`, for writes: the result of the last write counts as the state of the disk, whatever its free space. */
  write<T>(action: () => T): T {
    try {
      const result = this.run(action);
      this.#refusal = undefined;
      return result;
    } catch (error) {
      this.refused(error);
      throw error;
    }
  }

  /** Records a write that failed elsewhere, such as a sync. Only a refusal by the disk counts, not a constraint. */
  refused(error: unknown): void {
    if (isStorageError(error)) this.#refusal = error;
  }

  /** Throws `JournalDamaged`, or `CompanionError` `STORAGE_FULL` when the disk is full. */
  run<T>(action: () => T): T {
    if (this.#damage) throw this.#damage;
    try {
      return action();
    } catch (error) {
      const known = damageError(error);
      if (!(known instanceof JournalDamaged)) throw storageError(known);
      this.#damage = this.#reasonOf(known);
      this.#onDamage(this.#damage);
      throw this.#damage;
    }
  }

  #reasonOf(damage: JournalDamaged): JournalDamaged {
    try {
      this.#requireFiles();
      return damage;
    } catch (error) {
      return error instanceof JournalDamaged ? error : damage;
    }
  }
}

/** By name, not class: when the package is loaded twice in a process, all its errors have the first one's class. */
export function sqliteCode(error: unknown): string | undefined {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  return name === 'SqliteError' && typeof code === 'string' ? code : undefined;
}

/** A row with this key exists: a bug, or a lost race. It is damage only if an index leads to another row. */
export const isTaken = (error: unknown): boolean => sqliteCode(error) === 'SQLITE_CONSTRAINT_UNIQUE';

const DISK_CODES = /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN)/;

/** Turns failures that the owner can fix into `STORAGE_FULL`; returns any other unchanged. */
export function storageError(error: unknown): unknown {
  const code = sqliteCode(error);
  return code && DISK_CODES.test(code) ? storageFull('The journal', `${(error as Error).message} (${code})`) : error;
}

const MESSAGES_OF_DAMAGE = /malformed JSON/;
const CODES_OF_DAMAGE = /^SQLITE_(CORRUPT|NOTADB|FORMAT|TOOBIG|IOERR_SHORT_READ)/;

/** Turns an error that means a damaged file into `JournalDamaged`; returns any other unchanged. */
function damageError(error: unknown): unknown {
  const code = sqliteCode(error) ?? '';
  const { message } = error as Error;
  const unreadable = error instanceof SyntaxError;
  if (!unreadable && !CODES_OF_DAMAGE.test(code) && !(code !== '' && MESSAGES_OF_DAMAGE.test(message))) return error;
  return new JournalDamaged(unreadable ? 'a row cannot be parsed' : `${code}: ${message}`);
}

/** Like `damageError`, for opening: there, a failing statement means that the schema is no longer ours. */
export function damageAtOpening(error: unknown, path: string): unknown {
  const code = sqliteCode(error) ?? '';
  const looksReadOnly = code === 'SQLITE_READONLY' && isWritable(path);
  if (code !== 'SQLITE_ERROR' && code !== 'SQLITE_NOMEM' && !looksReadOnly) return damageError(error);
  return new JournalDamaged(`${code}: ${(error as Error).message}`);
}

/** A damaged file header can declare the file read-only. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    // Whatever the reason: the header is then not what forbids writing.
    return false;
  }
}
