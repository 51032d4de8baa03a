import { homedir } from 'node:os';
import { isAbsolute, relative } from 'node:path';
import type { Settings } from './settings.js';

/** The conflict between individually valid settings that can never work together, or with this home. */
export function conflictIn(settings: Settings, home: string): string | undefined {
  const { CLAUDE_PERMISSION_MODE, ALLOW_BYPASS, PROJECT_ROOTS, VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY } = settings;
  if (CLAUDE_PERMISSION_MODE === 'bypassPermissions' && !ALLOW_BYPASS)
    return 'CLAUDE_PERMISSION_MODE is "bypassPermissions", which needs ALLOW_BYPASS=true';
  // A home that contains the person's own home is refused elsewhere, with a better reason.
  const root = isWithin(home, homedir()) ? undefined : PROJECT_ROOTS.find((path) => isWithin(home, path));
  if (root !== undefined)
    return `PROJECT_ROOTS has ${JSON.stringify(root)}, which lies in COMPANION_HOME, where nothing may be opened`;
  if ((VAPID_PUBLIC_KEY === undefined) !== (VAPID_PRIVATE_KEY === undefined))
    return `${VAPID_PUBLIC_KEY === undefined ? 'VAPID_PUBLIC_KEY' : 'VAPID_PRIVATE_KEY'} is not set, but the other VAPID key is: set both or neither`;
  if (settings.NTFY_TOKEN !== undefined && settings.NTFY_URL === undefined)
    return 'NTFY_URL is not set, but NTFY_TOKEN is: the token is for that server';
  return undefined;
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || !(way.split('/')[0] === '..' || isAbsolute(way));
}
