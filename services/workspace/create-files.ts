import type { Files } from '../ports/workspace.js';
import { FileAccess, type FileAccessOptions } from './file-access.js';
import { withFileErrors } from './file-errors.js';
import { listFiles } from './list-files.js';
import { readFile } from './read-file.js';
import { createFile, removeFile, replaceFile } from './write-file.js';

/** File access in sessions' directories. */
export function createFiles(options: FileAccessOptions): Files {
  const access = new FileAccess(options);
  return {
    list: (place, how) => withFileErrors(() => listFiles(access, place, how)),
    read: (place) => withFileErrors(() => readFile(access, place)),
    create: (place, bytes) => withFileErrors(() => createFile(access, place, bytes)),
    replace: (place, bytes) => withFileErrors(() => replaceFile(access, place, bytes)),
    remove: (place) => withFileErrors(() => removeFile(access, place)),
  };
}
