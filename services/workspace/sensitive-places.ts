import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { keyOf } from './directory-handle.js';
import { ifSeen } from './file-errors.js';
import { foldedName } from './folded-name.js';

/** What a name may begin with that holds secrets, in any letter case and anywhere. */
const PREFIXES = ['.env', '.credentials.json', '.claude.json'];
const FOLDER = '.ssh';

/** Whether a name is that of secrets: `.env*`, `.ssh`, credentials and settings of the CLI. */
export function isSensitiveName(name: string): boolean {
  const plain = foldedName(name);
  return plain === FOLDER || PREFIXES.some((prefix) => plain.startsWith(prefix));
}

export interface People {
  /** The home of the person whom the daemon runs for. */
  personHome: string;
  /** Where the CLI keeps what it keeps. */
  claudeFolder: string;
  /** Keys that the daemon itself was told of. */
  keyFiles: readonly string[];
}

/** Where secrets are, whatever the names by which one comes there. */
export const sensitivePlaces = ({ personHome, claudeFolder, keyFiles }: People): string[] => [
  ...keyFiles,
  join(personHome, '.ssh'),
  join(personHome, '.claude.json'),
  join(personHome, '.claude', '.credentials.json'),
  join(claudeFolder, '.claude.json'),
  join(claudeFolder, '.credentials.json'),
];

/** Device and inode of all files at and below these places: a hard link has another name and is the same file. */
export async function keysWithin(places: readonly string[]): Promise<Set<string>> {
  const keys = new Set<string>();
  for (const place of places) await addKeys(place, keys);
  return keys;
}

/**
 * Links are not followed, as Node's own recursive `readdir` (20.20) does. Rejects where the daemon only fails to look:
 * without the keys of what lies there, a hard link to it would be served.
 */
async function addKeys(place: string, keys: Set<string>): Promise<void> {
  const found = await ifSeen(lstat(place, { bigint: true }));
  if (!found) return;
  keys.add(keyOf(found));
  if (!found.isDirectory()) return;
  for (const name of (await ifSeen(readdir(place))) ?? []) await addKeys(join(place, name), keys);
}
