import { randomBytes } from 'node:crypto';
import { lstat, opendir, stat, unlink } from 'node:fs/promises';
import type { HeldDirectory } from './directory-handle.js';

const NAME = /^\.companion-[0-9a-f]{16}\.tmp$/;
const RANDOM_BYTES = 8;

/** The name of a file that is written beside the one it replaces. */
export const temporaryName = (): string => `.companion-${randomBytes(RANDOM_BYTES).toString('hex')}.tmp`;

/** Entries of one folder that are looked at. */
const MOST_ENTRIES = 10_000;
/** Folders of which it is known that they were looked through; then they are looked through again. */
const MOST_FOLDERS = 10_000;
/** A file that is younger may be one that another daemon is writing. */
const YOUNG_MS = 60_000;

/**
 * Removes what a daemon has left behind that died while it replaced a file: each folder is looked through once, when it
 * is first written. Only regular files of this user with one name, older than this daemon, go.
 */
export class Leftovers {
  readonly #before = Date.now() - YOUNG_MS;
  readonly #seen = new Set<string>();

  /** Never rejects: what cannot be removed is no reason to refuse the write. */
  async sweep(folder: HeldDirectory): Promise<void> {
    // The folder may not be readable, or be on its way out: the write itself tells what is wrong with it.
    await this.#sweepOnce(folder).catch(() => undefined);
  }

  async #sweepOnce(folder: HeldDirectory): Promise<void> {
    // A folder that was removed may have given its inode to another.
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
