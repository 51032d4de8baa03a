import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The block size of common file systems: a smaller write can fit into an allocated block. */
const BLOCK = Buffer.alloc(4096);

/** Rejects with the system's error when the disk of this folder is full. */
export async function probeDisk(folder: string): Promise<void> {
  const path = join(folder, 'room');
  try {
    await writeFile(path, BLOCK, { mode: 0o600 });
  } finally {
    // The next probe overwrites it.
    await rm(path, { force: true }).catch(() => {});
  }
}
