import { CompanionError } from '../../protocol/error-codes.js';
import type { FilePlace, FileRemoval, Files } from '../ports/workspace.js';
import { FileAccess, type FileAccessOptions } from './file-access.js';
import { withFileErrors } from './file-errors.js';
import { type DiffOptions, diffWorkingTree, UnreadableRepository } from './git/working-diff.js';
import { listFiles } from './list-files.js';
import { openBytes, readFile } from './read-file.js';
import { moveToTrash, restoreFromTrash } from './trash/move-file.js';
import type { Trash } from './trash/trash.js';
import { Turns } from './turns.js';
import { createFile, removeFile, replaceFile } from './write-file.js';

/** The path came in the field `to`. */
function asTo(error: unknown): never {
  if (!(error instanceof CompanionError) || error.details?.field !== 'path') throw error;
  throw new CompanionError(error.code, error.message.replace(/^path/, 'to'), { ...error.details, field: 'to' });
}

interface FilesOptions extends Omit<FileAccessOptions, 'trash'> {
  trash: Trash;
  git: Pick<DiffOptions, 'scratch' | 'path'>;
}

/** File access in sessions' directories. */
export function createFiles({ trash, git, ...options }: FilesOptions): Files {
  const access = new FileAccess({ ...options, trash: trash.folder });
  const parts = { access, trash };
  const remove = async (place: FilePlace, { trash: owner, ...how }: FileRemoval = {}) => {
    if (owner && trash.isOn) return { trashId: await moveToTrash(parts, place, { ...owner, ...how }) };
    await removeFile(access, place, how);
    return {};
  };
  const diffs = new Turns();
  const diff = (place: FilePlace, signal: AbortSignal) =>
    diffWorkingTree({ access, ...git }, place, signal).catch((error: unknown) => {
      if (error instanceof UnreadableRepository) return undefined;
      throw error;
    });
  return {
    list: (place, how) => withFileErrors(() => listFiles(access, place, how)),
    read: (place) => withFileErrors(() => readFile(access, place)),
    open: (place) => withFileErrors(() => openBytes(access, place)),
    create: (place, bytes) => withFileErrors(() => createFile(access, place, bytes)),
    replace: (place, write) => withFileErrors(() => replaceFile(access, place, write)),
    remove: (place, how) => withFileErrors(() => remove(place, how)),
    // Of one directory one at a time: each reads all of it.
    diff: (place, signal) => withFileErrors(() => diffs.alone(place.directory, () => diff(place, signal))),
    restore: (place, which) => {
      const restored = withFileErrors(() => restoreFromTrash(parts, place, which));
      return which.to === undefined ? restored : restored.catch(asTo);
    },
  };
}
