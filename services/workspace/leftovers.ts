import { randomBytes } from 'node:crypto';
import { lstat, opendir, stat, unlink } from 'node:fs/promises';
import type { HeldDirectory } from './directory-handle.js';

const NAME = /^\.companion-[0-9a-f]{16}\.tmp$/;
const RANDOM_BYTES = 8;

/** The name of a draft written beside the file it replaces. */
export const temporaryName = (): string => `.companion-${randomBytes(RANDOM_BYTES).toString('hex')}.tmp`;

/** Maximum entries scanned per folder. */
const MOST_ENTRIES = 10_000;
/** Maximum remembered folders; beyond that, folders are scanned again. */
const MOST_FOLDERS = 10_000;
/** A younger file can be another daemon's current draft. */
const YOUNG_MS = 60_000;

/**
 * Removes drafts left by a daemon that died while replacing a file: each folder is scanned once, at its first write.
 * Removes only regular files of this user with a single name, older than this daemon.
 */
export class Leftovers {
  readonly #before = Date.now() - YOUNG_MS;
  readonly #seen = new Set<string>();

  /** Never rejects: a failed removal is no reason to refuse the write. */
  async sweep(folder: HeldDirectory): Promise<void> {
    // The folder can be unreadable or about to be removed: the write itself reports that.
    await this.#sweepOnce(folder).catch(() => undefined);
  }

  async #sweepOnce(folder: HeldDirectory): Promise<void> {
    // A new folder can have the inode of a removed one.
    const { birthtimeNs } = await stat(folder.self(), { bigint: true });
    const key = `${folder.key}:${birthtimeNs}`;
    if (this.#seen.has(key)) return;
    if (this.#seen.size >= MOST_FOLDERS) this.#seen.clear();
    this.#seen.add(key);
    await this.#removeFrom(folder);
  }

  async #removeFrom(folder: HeldDirectory): Promise<void> {
    let looked = 0;
    for await (const { name } of await opendir(folder.self())) {
      looked += 1;
      if (looked > MOST_ENTRIES) return;
      if (NAME.test(name) && (await this.#isLeft(folder.entry(name)))) await unlink(folder.entry(name));
    }
  }

  async #isLeft(path: string): Promise<boolean> {
    const stats = await lstat(path);
    const isOwn = stats.isFile() && stats.nlink === 1 && stats.uid === process.getuid?.();
    return isOwn && stats.mtimeMs < this.#before;
  }
}
