import { randomInt } from 'node:crypto';
import { type BigIntStats, closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { markExisting } from '../../../disk/own-file.js';
import { isStorageError } from '../../../protocol/failures.js';
import type { SqliteDatabase } from '../sqlite/sqlite-database.js';
import { JournalDamaged, storageError } from './damage-guard.js';

/** The journal's paths no longer lead to its open files. The open connection can still read what was written. */
export class JournalDetached extends JournalDamaged {}

/** Another database was written into the journal's file. What the open connection still reads is of both. */
export class JournalOverwritten extends JournalDamaged {}

/** The file was cut. Whatever copies another database into it begins with that. */
export class JournalCut extends JournalDamaged {
  /** Set before the journal is closed: another database was in the file then. */
  isOverwritten = false;
}

/** The part of the header that SQLite leaves to applications (sqlite.org/fileformat2.html#application_id). */
const STAMP_OFFSET = 68;
const STAMP_BYTES = 4;
const MAX_STAMP = 2 ** 31;
/** Looks for the header of a file that was cut, and the pause between them. */
const MAX_LOOKS = 20;
const LOOK_MS = 50;

/**
 * The open files of a journal. SQLite keeps writing to files that were removed or moved, and that data would be lost
 * with the process. So the paths are checked before a client is answered, and
 * the stamp that this opening left in the header, which no copy has that was made before. The checks take 8 µs.
 */
export class HeldFile {
  readonly #path: string;
  /**
   * Keeps the inode number from being reused. Closing it would drop SQLite's locks, which belong to the process, so it
   * is closed after the connection.
   */
  readonly #file: number;
  readonly #bytes = Buffer.alloc(STAMP_BYTES);
  readonly #database: string;
  readonly #log: string;
  #size: bigint;
  /** Those that the file can have, oldest first: the new one comes with the next checkpoint. */
  #stamps: readonly number[];

  /** The journal must be open and written to, so that both of its files exist. */
  constructor(database: SqliteDatabase) {
    const path = database.name;
    this.#path = path;
    this.#file = openSync(path, 'r');
    const known = Number(database.pragma('application_id', { simple: true }));
    this.#stamps = [this.#readStamp() ?? 0, known, writeStamp(database)];
    const stats = fstatSync(this.#file, { bigint: true });
    this.#database = keyOf(stats);
    this.#size = stats.size;
    // SQLite creates it with only the permissions of the database.
    markExisting(`${path}-wal`);
    const log = look(`${path}-wal`);
    this.#log = log ? keyOf(log) : '';
  }

  /**
   * Throws `JournalDetached` when a path leads elsewhere, `JournalOverwritten` when the file holds another database, and
   * `JournalCut` when it was truncated.
   */
  require(): void {
    const stats = this.#require(this.#path, 'its file', this.#database);
    this.#requireStamp();
    if (stats && stats.size < this.#size) throw new JournalCut('its file was cut');
    this.#size = stats?.size ?? this.#size;
    this.#require(`${this.#path}-wal`, 'its log', this.#log);
  }

  /** Whether the file still has a name: it was moved, not removed. */
  get isNamed(): boolean {
    return fstatSync(this.#file).nlink > 0;
  }

  /**
   * Whether another database is in the file. A file that was just cut can be about to get one: it is waited for, for a
   * second at most.
   */
  async isOverwritten(): Promise<boolean> {
    for (let look = 0; look < MAX_LOOKS && this.#readStamp() === undefined; look += 1) await delay(LOOK_MS);
    const stamp = this.#readStamp();
    return stamp !== undefined && !this.#stamps.includes(stamp);
  }

  /** Must be called after the connection is closed. */
  close(): void {
    closeSync(this.#file);
  }

  #requireStamp(): void {
    const stamp = this.#readStamp();
    if (stamp === undefined) return;
    const known = this.#stamps.lastIndexOf(stamp);
    if (known === -1) throw new JournalOverwritten('another database was written into its file');
    if (known > 0) this.#stamps = this.#stamps.slice(known);
  }

  /** Undefined when the file ends before it. */
  #readStamp(): number | undefined {
    const read = readSync(this.#file, this.#bytes, 0, STAMP_BYTES, STAMP_OFFSET);
    return read === STAMP_BYTES ? this.#bytes.readUInt32BE() : undefined;
  }

  #require(path: string, what: string, key: string): BigIntStats | undefined {
    const found = look(path);
    if (found === null) throw new JournalDetached(`${what} was removed or moved away`);
    if (found && keyOf(found) !== key) throw new JournalDetached(`another file was put in the place of ${what}`);
    return found;
  }
}

/** Returns the stamp; a full disk, which refuses it, does not keep the journal from being opened. */
function writeStamp(database: SqliteDatabase): number {
  const stamp = randomInt(1, MAX_STAMP);
  try {
    database.pragma(`application_id = ${stamp}`);
  } catch (error) {
    if (!isStorageError(storageError(error))) throw error;
  }
  return stamp;
}

/** Null when the file does not exist; undefined when unknown, such as in a folder without search permission. */
function look(path: string): BigIntStats | null | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
  } catch {
    // The open files are used until their absence is certain.
    return undefined;
  }
}

const keyOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;
