/** How every small file of the home is written: beside its place, synced, and renamed into it. */
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { markOwn, markOwnSync, OWN_FILE } from './own-file.js';

/** Two processes that write one file at the same time must not share a draft. */
const draftOf = (path: string): string => `${path}.${process.pid}.new`;

/**
 * Replaces a file as a whole: a reader finds all of it or the one before, and so does the next start, also when the
 * machine went down. Only its owner may read it. Throws the system's error; the file is as it was then.
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const draft = draftOf(path);
  try {
    await writeFile(draft, text, { mode: OWN_FILE, flush: true });
    await markOwn(draft);
    await rename(draft, path);
  } catch (error) {
    // What cannot be removed either goes with the next start.
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** As `writeWhole`, for the start, when nothing else runs yet. */
export function writeWholeSync(path: string, text: string): void {
  writeUnsynced(path, text, true);
  syncFolderSync(dirname(path));
}

/**
 * As `writeWholeSync`, for what is void anyway once the machine has gone down, such as the pid of a process: it is not
 * forced to the disk, which may take 50 ms.
 */
export const writeBriefly = (path: string, text: string): void => writeUnsynced(path, text, false);

function writeUnsynced(path: string, text: string, flush: boolean): void {
  const draft = draftOf(path);
  try {
    writeFileSync(draft, text, { mode: OWN_FILE, flush });
    markOwnSync(draft);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/**
 * A rename is in the folder, and the folder has to be on the disk as well: a machine that goes down would bring back an
 * older file. Where a file system does not know that of folders, the rename is all there is.
 */
async function syncFolder(path: string): Promise<void> {
  // As above: not every file system opens and syncs folders.
  const folder = await open(path).catch(() => undefined);
  // As above.
  await folder?.sync().catch(() => {});
  await folder?.close();
}

function syncFolderSync(path: string): void {
  try {
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {
    // As in `syncFolder`.
  }
}

/** Drafts of `writeWhole`, of this version or of one that left the pid out. */
const DRAFT =
  /^(registry\.json|keys\.json|vapid\.json|claude-version\.json|daemon\.pid|demo-api-port|orphan-watch)(\.\d+)?\.new$/;

/** Removes the drafts in a folder whose writers are dead: the caller is the only one that may write there. */
export function removeDrafts(folder: string): string[] {
  const drafts = readdirSync(folder).filter((name) => DRAFT.test(name));
  for (const name of drafts) rmSync(join(folder, name), { force: true });
  return drafts;
}
