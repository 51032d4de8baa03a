import { close, fdatasync, open } from 'node:fs';
import { promisify } from 'node:util';
import { storageFull } from '../../protocol/storage-error.js';

const openFile = promisify(open);
const syncFile = promisify(fdatasync);
const closeFile = promisify(close);

/**
 * Syncs commits to the disk outside the event loop. With `synchronous=NORMAL` a commit writes the write-ahead log and
 * leaves the sync to the next checkpoint; syncing the log file after a commit gives the guarantee of `FULL`
 * (sqlite.org/wal.html) without blocking the loop (1 to 50 ms were seen). Requests during a sync share the next one.
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
