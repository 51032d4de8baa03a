import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { keyOf } from './directory-handle.js';
import { ifSeen } from './file-errors.js';
import { foldedName } from './folded-name.js';

/** Prefixes of names with secrets, in any letter case and anywhere. */
const PREFIXES = ['.env', '.credentials.json', '.claude.json'];
const FOLDER = '.ssh';

/** Whether a name indicates secrets: `.env*`, `.ssh`, credentials and settings of the CLI. */
export function isSensitiveName(name: string): boolean {
  const plain = foldedName(name);
  return plain === FOLDER || PREFIXES.some((prefix) => plain.startsWith(prefix));
}

export interface People {
  /** The home of the person who runs the daemon. */
  personHome: string;
  /** The CLI's data folder. */
  claudeFolder: string;
  /** Key files from the daemon's own settings. */
  keyFiles: readonly string[];
}

/** Places with secrets, whatever name leads to them. */
export const sensitivePlaces = ({ personHome, claudeFolder, keyFiles }: People): string[] => [
  ...keyFiles,
  join(personHome, '.ssh'),
  join(personHome, '.claude.json'),
  join(personHome, '.claude', '.credentials.json'),
  join(claudeFolder, '.claude.json'),
  join(claudeFolder, '.credentials.json'),
];

/** Device and inode of all files at and below these places: a hard link is the same file under another name. */
export async function keysWithin(places: readonly string[]): Promise<Set<string>> {
  const keys = new Set<string>();
  for (const place of places) await addKeys(place, keys);
  return keys;
}

/**
 * Does not follow links, like Node's own recursive `readdir` (20.20). Rejects on errors other than a missing or
 * inaccessible place: without the keys of its files, a hard link to one would be served.
 */
async function addKeys(place: string, keys: Set<string>): Promise<void> {
  const found = await ifSeen(lstat(place, { bigint: true }));
  if (!found) return;
  keys.add(keyOf(found));
  if (!found.isDirectory()) return;
  for (const name of (await ifSeen(readdir(place))) ?? []) await addKeys(join(place, name), keys);
}
