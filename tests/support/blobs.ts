import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const folderIn = (home: string) => join(home, 'journal.db.blobs');

/** The files beside the journal of this home. */
export function blobsIn(home: string): { path: string; bytes: number; mode: number }[] {
  return namesIn(folderIn(home)).flatMap((name) => {
    const path = join(folderIn(home), name);
    // It may be removed between the two looks.
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats ? { path, bytes: stats.size, mode: stats.mode & 0o777 } : [];
  });
}

export const modeOfBlobs = (home: string): number => statSync(folderIn(home)).mode & 0o777;

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
