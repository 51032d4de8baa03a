import { close, fdatasync, open, truncateSync } from 'node:fs';
import { promisify } from 'node:util';
import { storageFull } from '../../../protocol/failures.js';
import type { Journal } from '../../ports/journal.js';
import type { DamageGuard, JournalDamaged } from '../damage/damage-guard.js';
import { endEpoch, type MarkFile } from '../damage/epoch.js';
import { HeldFile, JournalCut, JournalDetached, JournalOverwritten } from '../damage/held-file.js';
import { openMeta } from '../sqlite/row-sums.js';
import { checkpoint, type SqliteDatabase } from '../sqlite/sqlite-database.js';

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
  const held = new HeldFile(database);
  guard.watchFiles(() => held.require());
  const select = database.prepare('SELECT 1 FROM meta');
  const meta = openMeta(database);
  const abandon = async () => {
    await log.close();
    mark.close();
    held.close();
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
      const { damage } = guard;
      if (damage instanceof JournalDetached) onDetached(held);
      if (damage instanceof JournalCut) damage.isOverwritten = await held.isOverwritten();
      // The last connection writes its log into the database when it is closed, which is another one now.
      if (isOfAnother(damage)) truncateSync(`${database.name}-wal`);
      database.close();
      await abandon();
    },
  };
}

/** Whether the database in the file is no longer the one that was opened. */
export const isOfAnother = (damage: JournalDamaged | undefined): boolean =>
  damage instanceof JournalOverwritten || (damage instanceof JournalCut && damage.isOverwritten);

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

const openFile = promisify(open);
const syncFile = promisify(fdatasync);
const closeFile = promisify(close);

/**
 * Syncs commits to the disk outside the event loop. With `synchronous=NORMAL` a commit writes the write-ahead log and
 * leaves the sync to the next checkpoint; syncing the log file after a commit gives the guarantee of `FULL`
 * (sqlite.org/wal.html) without blocking the loop (1 to 50 ms were seen). Requests during a sync share the next one.
 */
class WalSync {
  readonly #path: string;
  readonly #checkpoint: () => void;
  /** A sync has failed, and no checkpoint has succeeded since. */
  #doubtful = false;
  #file: Promise<number> | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /**
   * `path`: the write-ahead log, which exists from the first commit on. `checkpoint` moves the whole log into the
   * database and syncs that, or throws: after a failed sync the system can treat the log's pages as written, and
   * another sync would succeed without them (https://lwn.net/Articles/752063/).
   */
  constructor(path: string, checkpoint: () => void) {
    this.#path = path;
    this.#checkpoint = checkpoint;
  }

  /** Resolves when everything committed before this call is on the disk. Rejects with `STORAGE_FULL`. */
  sync(): Promise<void> {
    if (!this.#running) return this.#begin();
    // Callers that wait for the running sync get its failure; the next one syncs again.
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    return this.#next;
  }

  async close(): Promise<void> {
    // The callers waiting for it get the failure.
    await (this.#next ?? this.#running)?.catch(() => {});
    await this.#reopen();
  }

  /** The next sync reopens a file that could not be opened or synced. */
  async #reopen(): Promise<void> {
    const opened = this.#file;
    this.#file = undefined;
    // The open failed, and the sync that needed it has reported that.
    const file = await opened?.catch(() => undefined);
    // Nothing was written through it, so nothing is lost with it.
    if (file !== undefined) await closeFile(file).catch(() => {});
  }

  #begin(): Promise<void> {
    this.#running = this.#sync().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #sync(): Promise<void> {
    try {
      if (this.#doubtful) this.#checkpoint();
      this.#doubtful = false;
      this.#file ??= openFile(this.#path, 'r');
      await syncFile(await this.#file);
    } catch (error) {
      this.#doubtful = true;
      await this.#reopen();
      throw storageFull('The journal', (error as Error).message);
    }
  }
}
