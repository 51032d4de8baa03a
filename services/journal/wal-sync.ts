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
  #file: Promise<number> | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `path`: of the write-ahead log, which exists from the first commit on. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves when all that was committed before this call is on the disk. Rejects with `STORAGE_FULL`. */
  sync(): Promise<void> {
    if (!this.#running) return this.#begin();
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    return this.#next;
  }

  async close(): Promise<void> {
    await (this.#next ?? this.#running)?.catch(() => {});
    await this.#reopen();
  }

  /** A file that could not be opened or synced is opened anew by the next sync. */
  async #reopen(): Promise<void> {
    const file = await this.#file?.catch(() => undefined);
    this.#file = undefined;
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
      this.#file ??= openFile(this.#path, 'r');
      await syncFile(await this.#file);
    } catch (error) {
      await this.#reopen();
      throw storageFull('The journal', (error as Error).message);
    }
  }
}
