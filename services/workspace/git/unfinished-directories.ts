/** Notes of the hidden folders in which directories are made, for a daemon that dies meanwhile. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeWhole } from '../../../disk/write-whole.js';
import type { Log } from '../../ports/log.js';
import { ifSeen } from '../file-errors.js';

/** Hidden, so that nobody takes it for a project. */
export const stagingName = (id: string): string => `.companion-clone-${id}`;

/** In the hidden folder, the one in which the directory is made. */
export const MADE_IN = 'new';

export interface UnfinishedOptions {
  /** In the home. */
  folder: string;
  /** Ends all processes that carry the mark of the making. */
  endMarked: (id: string) => Promise<void>;
  /** Called with each directory that did not get to its place, before it is removed. */
  onUnfinished: (made: string) => Promise<void>;
  log: Log;
}

export class UnfinishedDirectories {
  readonly #options: UnfinishedOptions;
  readonly #own = new Set<string>();

  constructor(options: UnfinishedOptions) {
    this.#options = options;
  }

  /** Before the hidden folder is made. */
  async note(id: string, staging: string): Promise<void> {
    this.#own.add(id);
    await mkdir(this.#options.folder, { recursive: true, mode: 0o700 });
    await writeWhole(join(this.#options.folder, id), staging);
  }

  /** Removes the folder, and then the note. What cannot be removed now is removed at the next start. Never rejects. */
  async remove(id: string, staging: string): Promise<void> {
    try {
      const made = (await ifSeen(readdir(join(staging, MADE_IN)))) ?? [];
      for (const name of made) await this.#options.onUnfinished(join(staging, MADE_IN, name));
      await rm(staging, { recursive: true, force: true, maxRetries: 3 });
      await rm(join(this.#options.folder, id), { force: true });
      this.#own.delete(id);
    } catch (error) {
      this.#options.log.warn('an unfinished directory cannot be removed', { error: String(error) });
    }
  }

  /** Those of an earlier daemon, whose git can still run. Never rejects. */
  async clear(): Promise<void> {
    try {
      const ids = (await ifSeen(readdir(this.#options.folder))) ?? [];
      for (const id of ids.filter((one) => !this.#own.has(one))) await this.#clear(id);
    } catch (error) {
      this.#options.log.warn('unfinished directories cannot be found', { error: String(error) });
    }
  }

  async #clear(id: string): Promise<void> {
    const note = join(this.#options.folder, id);
    const staging = await readFile(note, 'utf8');
    // A draft of a note has another name than its folder, which does not exist then.
    if (basename(staging) !== stagingName(id)) return await rm(note, { force: true });
    await this.#options.endMarked(id);
    await this.remove(id, staging);
  }
}
