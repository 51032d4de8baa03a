import { createRowCheck, type RowCheck, withSum } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';

interface MetaRow {
  key: string;
  value: string;
  sum: number;
}

type MetaKey =
  | 'epoch'
  /** The boot in which the journal was opened and not yet closed. */
  | 'open_since_boot'
  /** The file that holds the journal. */
  | 'file'
  /** The number of commits, where no session stores it any more. */
  | 'commits'
  /** The number of applied schema steps. */
  | 'schema'
  /** The time used by retention, in epoch milliseconds. */
  | 'retention_clock'
  /** When a write was last tried on a disk that had refused one, in epoch milliseconds. */
  | 'probed_at'
  /** Some rows predate checksums. */
  | 'unsummed_rows';

/** The journal's own metadata. */
export interface MetaRows {
  /** Throws `JournalDamaged` when the row is damaged. */
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

/** How this journal's rows are checked: strictly, unless it predates checksums. */
export function rowCheckOf(database: SqliteDatabase): RowCheck {
  const row = database.prepare<[], MetaRow>(`SELECT * FROM meta WHERE key = 'unsummed_rows'`).get();
  if (row) createRowCheck({ unsummed: false })('meta', row);
  return createRowCheck({ unsummed: row !== undefined });
}
