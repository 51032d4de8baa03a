import { createRowCheck, type RowCheck, withSum } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface MetaRow {
  key: string;
  value: string;
  sum: number;
}

type MetaKey =
  | 'epoch'
  /** The boot in which the journal was opened and not closed yet. */
  | 'open_since_boot'
  /** The file that holds the journal. */
  | 'file'
  /** How many commits there were, where no session says so any more. */
  | 'commits'
  /** How many steps of the schema are done. */
  | 'schema'
  /** What retention took for the time, in epoch milliseconds. */
  | 'retention_clock'
  /** When a disk that had refused a write was asked whether it takes one, in epoch milliseconds. */
  | 'probed_at'
  /** There are rows from before there were sums. */
  | 'unsummed_rows';

/** What the journal knows about itself. */
export interface MetaRows {
  /** Throws `JournalDamaged` when the row is not as it was written. */
  get(key: MetaKey): string | undefined;
  set(key: MetaKey, value: string): void;
  remove(key: MetaKey): void;
}

export function openMeta(database: SqliteDatabase): MetaRows {
  const select = database.prepare<[string], MetaRow>(`SELECT * FROM meta WHERE key = ?`);
  const write = database.prepare(
    `INSERT INTO meta (key, value, sum) VALUES (@key, @value, @sum)
     ON CONFLICT DO UPDATE SET value = excluded.value, sum = excluded.sum WHERE value <> excluded.value`,
  );
  const erase = database.prepare(`DELETE FROM meta WHERE key = ?`);
  return {
    get: (key) => {
      const row = select.get(key);
      return row && rowCheckOf(database)('meta', row).value;
    },
    set: (key, value) => void write.run(withSum('meta', { key, value })),
    remove: (key) => void erase.run(key),
  };
}

/** How rows of this journal are checked: strictly, unless it is older than the sums. */
export function rowCheckOf(database: SqliteDatabase): RowCheck {
  const row = database.prepare<[], MetaRow>(`SELECT * FROM meta WHERE key = 'unsummed_rows'`).get();
  if (row) createRowCheck({ unsummed: false })('meta', row);
  return createRowCheck({ unsummed: row !== undefined });
}
