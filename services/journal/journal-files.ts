import type { Journal } from '../ports/journal.js';
import type { DamageGuard } from './damage-guard.js';
import { endEpoch } from './epoch.js';
import { HeldFile, JournalDetached } from './held-file.js';
import type { MarkFile } from './mark-file.js';
import { openMeta } from './meta-rows.js';
import { checkpoint, type SqliteDatabase } from './sqlite-database.js';
import { WalSync } from './wal-sync.js';

export interface JournalFilesOptions {
  /** Must be open and written to. */
  database: SqliteDatabase;
  guard: DamageGuard;
  mark: MarkFile;
  /** Called before the connection is closed when the paths no longer lead to its files. */
  onDetached: (held: HeldFile) => void;
}

export interface JournalFiles extends Pick<Journal, 'sync' | 'probe'> {
  close(): Promise<void>;
  abandon(): Promise<void>;
}

/** Checks that written data is really in the files: before a client is answered, and on request. */
export function createJournalFiles({ database, guard, mark, onDetached }: JournalFilesOptions): JournalFiles {
  const log = new WalSync(`${database.name}-wal`, () => checkpoint(database));
  const held = new HeldFile(database.name);
  const select = database.prepare('SELECT 1 FROM meta');
  const meta = openMeta(database);
  const abandon = async () => {
    await log.close();
    mark.close();
  };
  return {
    abandon,
    sync: async () => {
      await syncAll(log, guard);
      guard.run(() => held.require());
    },
    probe: async () => {
      guard.run(() => {
        held.require();
        select.get();
      });
      // After a refused write, only a successful write proves that the disk accepts writes again.
      if (guard.refusal === undefined) return;
      guard.write(() => meta.set('probed_at', String(Date.now())));
      await syncAll(log, guard);
    },
    close: async () => {
      await endCleanly({ database, guard, log, held });
      if (guard.damage instanceof JournalDetached) onDetached(held);
      database.close();
      held.close();
      await abandon();
    },
  };
}

async function syncAll(log: WalSync, guard: DamageGuard): Promise<void> {
  try {
    await log.sync();
  } catch (error) {
    guard.refused(error);
    throw error;
  }
}

interface Ending {
  database: SqliteDatabase;
  guard: DamageGuard;
  log: WalSync;
  held: HeldFile;
}

async function endCleanly({ database, guard, log, held }: Ending): Promise<void> {
  try {
    guard.run(() => held.require());
    await log.sync();
    guard.run(() => endEpoch(database));
  } catch {
    // A failed sync, or damage found only now, is no clean end: the next start checks more. The daemon exits anyway.
  }
}
