import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The block size of common file systems: a smaller write can fit into an allocated block. */
const BLOCK = Buffer.alloc(4096);
/** The children check every second: those that check together share one write. */
const SHARED_MS = 500;

/** Whether the disk of a folder takes data: the file system can tell its free blocks, but not a person's quota. */
export class DiskProbe {
  readonly #path: string;
  #last: Promise<void> = Promise.resolve();
  /** By `performance.now()`. */
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(folder: string) {
    this.#path = join(folder, 'room');
  }

  /** Rejects with the system's error when the disk is full. Shares the last check, if it is recent enough. */
  checkRecent(): Promise<void> {
    return performance.now() - this.#lastAt < SHARED_MS ? this.#last : this.check();
  }

  /** Rejects with the system's error when the disk is full. */
  check(): Promise<void> {
    this.#lastAt = performance.now();
    this.#last = this.#write();
    return this.#last;
  }

  async #write(): Promise<void> {
    try {
      await writeFile(this.#path, BLOCK, { mode: 0o600 });
    } finally {
      // The next probe overwrites it.
      await rm(this.#path, { force: true }).catch(() => {});
    }
  }
}
