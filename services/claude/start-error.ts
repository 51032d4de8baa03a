import { existsSync, statSync } from 'node:fs';
import { toCapacityError } from '../../protocol/capacity-error.js';
import { CompanionError } from '../../protocol/error-codes.js';
import { toStorageError } from '../../protocol/storage-error.js';

const NOT_STARTED = 'The Claude CLI could not be started';

/**
 * What the failure of one of the steps to a running CLI is for whoever asked: `STORAGE_FULL` and `CAPACITY` pass, for the
 * machine lacks something now. Some that Node knows of are events of the process, `ENOMEM` is thrown.
 */
export const startError = (error: unknown): unknown =>
  toCapacityError(NOT_STARTED, toStorageError('The folder of the CLI', error));

/** The same of the process itself, whose executable may also be none that can be run: `CLAUDE_UNAVAILABLE`. */
export function spawnError(error: Error, { workingDirectory, binary }: Spawned): unknown {
  const told = startError(error);
  if (told !== error) return told;
  const { code = '' } = error as NodeJS.ErrnoException;
  // The system names the executable, whichever of the two is not there.
  if (MISSING.has(code) && !isDirectory(workingDirectory)) {
    return new CompanionError('PROJECT_NOT_FOUND', `${NOT_STARTED}: its directory is gone: ${workingDirectory}`);
  }
  const why = MISSING.has(code) ? missingPart(binary) : error.message;
  return new CompanionError('CLAUDE_UNAVAILABLE', `${NOT_STARTED}: ${why}`);
}

/** The system names the executable, too, where it is there and what its first line or its header asks for is not. */
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
