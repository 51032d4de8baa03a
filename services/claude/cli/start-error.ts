import { existsSync, statSync } from 'node:fs';
import { CompanionError } from '../../../protocol/error-codes.js';
import { toCapacityError, toStorageError } from '../../../protocol/failures.js';

const NOT_STARTED = 'The Claude CLI could not be started';

/**
 * Maps a failed step of starting a CLI to the error for the caller: `STORAGE_FULL` and `CAPACITY` are temporary, since
 * the machine lacks resources now. Node emits some errors as events of the process and throws `ENOMEM`.
 */
export const startError = (error: unknown): unknown =>
  toCapacityError(NOT_STARTED, toStorageError('The folder of the CLI', error));

/** The same for the process itself, whose executable can also be unusable: `CLAUDE_UNAVAILABLE`. */
export function spawnError(error: Error, { workingDirectory, binary }: Spawned): unknown {
  const told = startError(error);
  if (told !== error) return told;
  const { code = '' } = error as NodeJS.ErrnoException;
  // The system names the executable even when the working directory is missing.
  if (MISSING.has(code) && !isDirectory(workingDirectory)) {
    return new CompanionError('PROJECT_NOT_FOUND', `${NOT_STARTED}: its directory is gone: ${workingDirectory}`);
  }
  const why = MISSING.has(code) ? missingPart(binary) : error.message;
  return new CompanionError('CLAUDE_UNAVAILABLE', `${NOT_STARTED}: ${why}`);
}

/** The system also names the executable when it exists but its interpreter or loader is missing. */
const missingPart = (binary: string): string =>
  existsSync(binary)
    ? `the interpreter or loader of its executable is missing: ${binary}`
    : `its executable is gone: ${binary}`;

interface Spawned {
  workingDirectory: string;
  binary: string;
}

const MISSING = new Set(['ENOENT', 'ENOTDIR']);

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
