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
export function spawnError(error: Error): unknown {
  const told = startError(error);
  return told === error ? new CompanionError('CLAUDE_UNAVAILABLE', `${NOT_STARTED}: ${error.message}`) : told;
}
