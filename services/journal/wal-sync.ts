import { close, fdatasync, open } from 'node:fs';
import { promisify } from 'node:util';
import { storageFull } from '../../protocol/storage-error.js';

const openFile = promisify(open);
const syncFile = promisify(fdatasync);
const closeFile = promisify(close);

/**
 * Brings what was committed to the disk itself, outside of the event loop. With `synchronous=NORMAL` a commit writes
 * the write-ahead log and leaves the syncing to the next checkpoint; syncing the log's file after a commit gives what
 * `FULL` gives (sqlite.org/wal.html), without stopping the loop for as long as a disk takes (1 to 50 ms were seen).
 * Requests that come while a sync runs share the next one.
 */
export class WalSync {
  readonly #path: string;
  readonly #checkpoint: () => void;
  /** A sync has failed, and no checkpoint has succeeded since. */
  #doubtful = false;
  #file: Promise<number> | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /**
   * `path`: of the write-ahead log, which exists from the first commit on. `checkpoint` moves all of it into the database
   * and syncs that, or throws: after a sync that failed the system may hold the log's pages for written, and another sync
   * would succeed without them (https://lwn.net/Articles/752063/).
   */
  constructor(path: string, checkpoint: () => void) {
    this.#path = path;
    this.#checkpoint = checkpoint;
  }

  /** Resolves when all that was committed before this call is on the disk. Rejects with `STORAGE_FULL`. */
  sync(): Promise<void> {
    if (!this.#running) return this.#begin();
    // Who waits for that one gets its failure; the next syncs anew.
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    return this.#next;
  }

  async close(): Promise<void> {
    // Who waits for it gets the failure.
    await (this.#next ?? this.#running)?.catch(() => {});
    await this.#reopen();
  }

  /** A file that could not be opened or synced is opened anew by the next sync. */
  async #reopen(): Promise<void> {
    const opened = this.#file;
    this.#file = undefined;
    // It was not opened, which the sync that wanted it has told.
    const file = await opened?.catch(() => undefined);
    // Nothing was written by it, so nothing is lost with it.
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
