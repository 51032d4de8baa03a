import { mkdirSync, symlinkSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../ports/log.js';
import type { UserId } from '../../ports/records.js';
import { configFolder } from '../transcript/transcript-location.js';

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

const CREDENTIALS = '.credentials.json';

/**
 * The environment of a member's CLI: its data for its person (settings, conversations, servers, trust) is in this
 * folder, so that nothing it writes there affects the owner or another member. The login is the owner's: their
 * credentials are linked where they are a file. On macOS they are in the keychain, which the CLI looks up by the
 * folder; there a member needs their own login, or one in the environment.
 */
export function personalEnvironment(environment: NodeJS.ProcessEnv, folder: string): NodeJS.ProcessEnv {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Also while there are none: the owner may log in later.
  link(join(configFolder(environment), CREDENTIALS), join(folder, CREDENTIALS));
  return { ...environment, CLAUDE_CONFIG_DIR: folder };
}

function link(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch (error) {
    // It is linked already, or the member has their own login.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
