import { type BigIntStats, closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { markExisting } from '../../disk/own-file.js';
import { JournalDamaged } from './journal-damaged.js';

/** The files of the journal are not the open ones any more. What was written is still reached by the open connection. */
export class JournalDetached extends JournalDamaged {}

/**
 * The files that an open journal writes. SQLite goes on writing into files that were removed or moved away, and everything
 * would be gone with the process: so it is asked, before a person is answered, whether their paths still lead to them.
 * Two looks take 6 µs.
 */
export class HeldFile {
  readonly #path: string;
  /**
   * Keeps the number of the file from being used again. To close it would take the locks of SQLite away, which belong to
   * the process: it is closed when the connection is.
   */
  readonly #file: number;
  readonly #database: string;
  readonly #log: string;
  #size: bigint;

  /** The journal is open and has been written to, so that both of its files are there. */
  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'r');
    const stats = fstatSync(this.#file, { bigint: true });
    this.#database = keyOf(stats);
    this.#size = stats.size;
    // SQLite makes it, with the permissions of the database and no more.
    markExisting(`${path}-wal`);
    const log = look(`${path}-wal`);
    this.#log = log ? keyOf(log) : '';
  }

  /** Throws `JournalDetached` when a path leads elsewhere, and `JournalDamaged` when the database was cut. */
  require(): void {
    const stats = this.#require(this.#path, 'its file', this.#database);
    if (stats && stats.size < this.#size) throw new JournalDamaged('its file was cut');
    this.#size = stats?.size ?? this.#size;
    this.#require(`${this.#path}-wal`, 'its log', this.#log);
  }

  /** Whether the file has a name somewhere: it was moved, and not removed. */
  get isNamed(): boolean {
    return fstatSync(this.#file).nlink > 0;
  }

  /** The connection must be closed. */
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

/** Null where there is no such file, undefined where that cannot be told, as when a folder may not be searched. */
function look(path: string): BigIntStats | null | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
  } catch {
    // The open files serve as long as nothing speaks against them.
    return undefined;
  }
}

const keyOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;
