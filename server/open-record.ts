import type { Config } from '../config/load-config.js';
import type { Logger } from '../config/logger.js';
import { createRetention } from '../services/journal/create-retention.js';
import { readBootId } from '../services/journal/epoch.js';
import { Extents } from '../services/journal/extents.js';
import { createSqliteCursors } from '../services/journal/sqlite-cursors.js';
import { guarded, openDatabase } from '../services/journal/sqlite-database.js';
import { createSqliteJournal } from '../services/journal/sqlite-journal.js';
import type { CursorStore, Journal } from '../services/ports/journal.js';
import type { Metrics } from '../services/telemetry/metrics.js';

export interface RecordOptions {
  config: Config;
  /** `journal.db`. */
  path: string;
  metrics: Metrics;
  now: () => number;
  log: Logger;
}

/** The durable record: the journal, the cursors in it, and what keeps it within its limits. */
export interface DurableRecord {
  journal: Journal;
  cursors: CursorStore;
  close(): Promise<void>;
}

/** Throws `CompanionError` `STORAGE_FULL` when the disk takes no more. */
export const openRecord = (options: RecordOptions): DurableRecord => guarded(() => open(options));

function open({ config, path, metrics, now, log }: RecordOptions): DurableRecord {
  const database = openDatabase(path);
  const extents = new Extents(database);
  const retention = createRetention({
    database,
    extents,
    limits: { days: config.RETENTION_DAYS, events: config.RETENTION_EVENTS, bytes: config.RETENTION_BYTES },
    now,
    onExpired: (limit, events) => metrics.expired(limit, events),
    log,
  });
  const journal = createSqliteJournal({ database, bootId: readBootId(), extents, onGrown: retention.onGrown });
  return {
    journal,
    cursors: createSqliteCursors(database),
    close: async () => {
      await retention.close();
      await journal.close();
    },
  };
}
