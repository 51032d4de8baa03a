/** The file mode that identifies files of the home under any name. */
import { chmodSync } from 'node:fs';
import { chmod } from 'node:fs/promises';

/** `S_ISVTX`: has no effect on a file, and is hardly ever set on one. */
const STICKY = 0o1000;

/** Read and written by its owner alone. */
const OWNER_ONLY = 0o600;

/**
 * The mode of new files of the home: owner-only, and marked. A hard link to such a file survives its replacement or
 * removal, and then only the file itself shows its origin: the mark belongs to the inode, so every name has it.
 */
export const OWN_FILE = STICKY | OWNER_ONLY;

/** Whether the mode is that of a file created in the home of a daemon. */
export const isMarked = (mode: number): boolean => (mode & STICKY) !== 0;

/** Only Linux sets the mark at creation; elsewhere it is set afterwards, as the macOS manual requires. */
const IS_SET_AT_ONCE = process.platform === 'linux';

/** Marks an existing file of the home. A file that cannot be marked, or is gone, is used all the same. */
export function markExisting(path: string): void {
  try {
    chmodSync(path, OWN_FILE);
  } catch {
    // An unmarked file is recognised by device and inode while it is in the home.
  }
}

/** Marks a file just created with `OWN_FILE`, where creation did not set the mark. */
export async function markOwn(path: string): Promise<void> {
  // A file without the mark is used all the same.
  if (!IS_SET_AT_ONCE) await chmod(path, OWN_FILE).catch(() => {});
}

/** Like `markOwn`. */
export function markOwnSync(path: string): void {
  if (!IS_SET_AT_ONCE) markExisting(path);
}
