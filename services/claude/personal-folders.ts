import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../ports/log.js';
import type { UserId } from '../ports/records.js';

export interface PersonalFoldersOptions {
  /** Holds the folder of each member, under the id of the person. */
  folder: string;
  /** Whether there is such a person. */
  isPerson: (person: UserId) => boolean;
  /** Whether a CLI of this person may be left. */
  isInUse: (person: UserId) => boolean;
  log: Log;
}

/** The ids that people are given. What has another name was put there by somebody else, and leads nowhere else either. */
const PERSON_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A process that is being ended may write while its folder is removed. */
const RETRIES = { maxRetries: 3, retryDelay: 100 };

/** Removes what the CLI has kept for people who are gone. */
export class PersonalFolders {
  readonly #options: PersonalFoldersOptions;

  constructor(options: PersonalFoldersOptions) {
    this.#options = options;
  }

  /** Looks at every folder that is there. Never rejects: what cannot be removed is logged. */
  async removeUnused(): Promise<void> {
    const { folder, log } = this.#options;
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      // The first CLI of a member makes it.
      if (error.code !== 'ENOENT') log.warn('the folders of people cannot be read', { error: error.message });
      return [];
    });
    for (const name of names) await this.removeUnusedOf(name as UserId);
  }

  /**
   * Removes the folder of a person who is gone, when no CLI of theirs is left; the folder of anybody else stays. Links in
   * it are removed and not followed. Never rejects: a failure is logged, and the next start tries again.
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
