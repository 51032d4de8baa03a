import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { configFolder } from './transcript-location.js';

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
