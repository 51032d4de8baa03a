/** The mode of the home's files, by which one is known under any name. */
import { chmodSync } from 'node:fs';
import { chmod } from 'node:fs/promises';

/** `S_ISVTX`: of no effect on a file, and hardly ever set on one. */
const STICKY = 0o1000;

/** Read and written by its owner alone. */
const OWNER_ONLY = 0o600;

/**
 * The mode that a file of the home is made with: its owner's alone, and marked. A hard link that somebody has made stays
 * when the file is replaced or removed here, and then nothing but the file itself tells what it was: the mark is of the
 * inode, so it goes with each of its names.
 */
export const OWN_FILE = STICKY | OWNER_ONLY;

/** Whether a file with this mode was made in the home of a daemon. */
export const isMarked = (mode: number): boolean => (mode & STICKY) !== 0;

/** Only Linux sets the mark as a file is made; elsewhere, as the manual of macOS has it, it is set afterwards. */
const IS_SET_AT_ONCE = process.platform === 'linux';

/** Marks a file of the home that is there already. One that cannot be marked, or is gone, serves all the same. */
export function markExisting(path: string): void {
  try {
    chmodSync(path, OWN_FILE);
  } catch {
    // What cannot be marked is known by device and inode for as long as it is in the home.
  }
}

/** Marks a file that was just made with `OWN_FILE`, where that was not enough. */
export async function markOwn(path: string): Promise<void> {
  // A file system that keeps no such mark serves all the same.
  if (!IS_SET_AT_ONCE) await chmod(path, OWN_FILE).catch(() => {});
}

/** As `markOwn`. */
export function markOwnSync(path: string): void {
  if (!IS_SET_AT_ONCE) markExisting(path);
}
