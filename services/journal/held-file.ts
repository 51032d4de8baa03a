import { type BigIntStats, closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { markExisting } from '../../disk/own-file.js';
import { JournalDamaged } from './journal-damaged.js';

/** The journal's paths no longer lead to its open files. The open connection can still read what was written. */
export class JournalDetached extends JournalDamaged {}

/**
 * The open files of a journal. SQLite keeps writing to files that were removed or moved, and that data would be lost
 * with the process. So the paths are checked before a client is answered. The two checks take 6 µs.
 */
export class HeldFile {
  readonly #path: string;
  /**
   * Keeps the inode number from being reused. Closing it would drop SQLite's locks, which belong to the process, so it
   * is closed after the connection.
   */
  readonly #file: number;
  readonly #database: string;
  readonly #log: string;
  #size: bigint;

  /** The journal must be open and written to, so that both of its files exist. */
  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'r');
    const stats = fstatSync(this.#file, { bigint: true });
    this.#database = keyOf(stats);
    this.#size = stats.size;
    // SQLite creates it with only the permissions of the database.
    markExisting(`${path}-wal`);
    const log = look(`${path}-wal`);
    this.#log = log ? keyOf(log) : '';
  }

  /** Throws `JournalDetached` when a path leads elsewhere, and `JournalDamaged` when the database was truncated. */
  require(): void {
    const stats = this.#require(this.#path, 'its file', this.#database);
    if (stats && stats.size < this.#size) throw new JournalDamaged('its file was cut');
    this.#size = stats?.size ?? this.#size;
    this.#require(`${this.#path}-wal`, 'its log', this.#log);
  }

  /** Whether the file still has a name: it was moved, not removed. */
  get isNamed(): boolean {
    return fstatSync(this.#file).nlink > 0;
  }

  /** Must be called after the connection is closed. */
  close(): void {
    closeSync(this.#file);
  }

  #require(path: string, what: string, key: string): BigIntStats | undefined {
    const found = look(path);
    if (found === null) throw new JournalDetached(`${what} was removed or moved away`);
    if (found && keyOf(found) !== key) throw new JournalDetached(`another file was put in the place of ${what}`);
    return found;
  }
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
