/** How every small file of the home is written: to a draft beside it, synced, and renamed. */
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { markOwn, markOwnSync, OWN_FILE } from './own-file.js';

/** Two processes that write the same file must not share a draft. */
const draftOf = (path: string): string => `${path}.${process.pid}.new`;

/**
 * Replaces a file atomically: readers, and the next start even after a machine crash, find either the old or the new
 * content. Only its owner can read it. Throws the system's error and then leaves the file unchanged.
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const draft = draftOf(path);
  try {
    await writeFile(draft, text, { mode: OWN_FILE, flush: true });
    await markOwn(draft);
    await rename(draft, path);
  } catch (error) {
    // The next start removes a draft that cannot be removed now.
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Like `writeWhole`, for startup, when nothing else runs yet. */
export function writeWholeSync(path: string, text: string): void {
  writeUnsynced(path, text, true);
  syncFolderSync(dirname(path));
}

/**
 * Like `writeWholeSync`, for data that is void after a machine crash, such as a pid: it is not synced, which can take
 * 50 ms.
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
 * A rename changes the folder, so the folder must be synced as well: otherwise a crash of the machine would restore the
 * older file. On a file system that cannot sync folders, the rename has to suffice.
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

/** Drafts of `writeWhole`, from this version or one without the pid in the name. */
const DRAFT =
  /^(registry\.json|keys\.json|vapid\.json|claude-version\.json|daemon\.pid|demo-api-port|orphan-watch)(\.\d+)?\.new$/;

/** Removes the drafts of dead writers: the caller must be the only writer in the folder. */
export function removeDrafts(folder: string): string[] {
  const drafts = readdirSync(folder).filter((name) => DRAFT.test(name));
  for (const name of drafts) rmSync(join(folder, name), { force: true });
  return drafts;
}
