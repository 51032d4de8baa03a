import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../ports/log.js';
import type { UserId } from '../ports/records.js';

export interface PersonalFoldersOptions {
  /** Contains each member's folder, named by the person's id. */
  folder: string;
  /** Whether this person exists. */
  isPerson: (person: UserId) => boolean;
  /** Whether a CLI of this person may still run. */
  isInUse: (person: UserId) => boolean;
  log: Log;
}

/** The format of person ids. An entry with another name is not the daemon's, and is not followed. */
const PERSON_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A process that is being ended can write while its folder is removed. */
const RETRIES = { maxRetries: 3, retryDelay: 100 };

/** Removes the CLI data of people who were removed. */
export class PersonalFolders {
  readonly #options: PersonalFoldersOptions;

  constructor(options: PersonalFoldersOptions) {
    this.#options = options;
  }

  /** Checks every existing folder. Never rejects: failures are logged. */
  async removeUnused(): Promise<void> {
    const { folder, log } = this.#options;
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      // The first CLI of a member creates it.
      if (error.code !== 'ENOENT') log.warn('the folders of people cannot be read', { error: error.message });
      return [];
    });
    for (const name of names) await this.removeUnusedOf(name as UserId);
  }

  /**
   * Removes the folder of a removed person when none of their CLIs is left; all other folders stay. Links in it are
   * removed and not followed. Never rejects: a failure is logged, and the next start tries again.
   */
  async removeUnusedOf(person: UserId): Promise<void> {
    const { folder, isPerson, isInUse, log } = this.#options;
    if (!PERSON_ID.test(person) || isPerson(person) || isInUse(person)) return;
    try {
      await rm(join(folder, person), { recursive: true, force: true, ...RETRIES });
    } catch (error) {
      const { message } = error as Error;
      log.warn('the folder of a removed person cannot be removed', { userId: person, error: message });
    }
  }
}
