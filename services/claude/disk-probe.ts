import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A block of any common file system: what is smaller may fit into one that is there already. */
const BLOCK = Buffer.alloc(4096);

/** Rejects with the system's error when the disk of this folder takes no more. */
export async function probeDisk(folder: string): Promise<void> {
  const path = join(folder, 'room');
  try {
    await writeFile(path, BLOCK, { mode: 0o600 });
  } finally {
    // The next look writes over it.
    await rm(path, { force: true }).catch(() => {});
  }
}
