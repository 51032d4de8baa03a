import { CompanionError } from './error-codes.js';

/** System errors for a disk that refuses writes, permanently or for now: an owner can fix these, a program cannot. */
const DISK_CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EFBIG']);

const DISK_SUGGESTION = 'Free some space on the disk of the companion home folder, then try again.';
const READ_ONLY_SUGGESTION =
  'Make the file system of the companion home folder writable (it may have been mounted read-only after an error of the disk), then try again.';

/** How Node and SQLite report a read-only file system. */
const READ_ONLY = /EROFS|SQLITE_READONLY|read-?only/i;

/** `STORAGE_FULL` with what could not be written, and why. */
export const storageFull = (what: string, reason: string): CompanionError =>
  new CompanionError('STORAGE_FULL', `${what} cannot be written: ${reason}`, {
    suggestion: READ_ONLY.test(reason) ? READ_ONLY_SUGGESTION : DISK_SUGGESTION,
  });

/** Turns a disk failure into `STORAGE_FULL`; returns any other error unchanged. `what` was to be written. */
export function toStorageError(what: string, error: unknown): unknown {
  const isDisk = error instanceof Error && 'code' in error && DISK_CODES.has(error.code);
  return isDisk ? storageFull(what, error.message) : error;
}

export const isStorageError = (error: unknown): boolean =>
  error instanceof CompanionError && error.code === 'STORAGE_FULL';

/** Error codes of the system, and of Node for threads, for a temporary lack of processes, memory or descriptors. */
const SCARCITY_CODES: ReadonlySet<unknown> = new Set([
  'EAGAIN',
  'ENOMEM',
  'EMFILE',
  'ENFILE',
  'ERR_WORKER_INIT_FAILED',
]);

const SCARCITY_SUGGESTION =
  'Close sessions or programs, or raise the limits on processes and open files of the daemon.';

/** Whether the machine lacks a resource now, which says nothing about the request. */
export const isScarcity = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && SCARCITY_CODES.has(error.code);

/** Turns a resource shortage into `CAPACITY`, which is temporary; returns other errors unchanged. `what` failed. */
export function toCapacityError(what: string, error: unknown): unknown {
  if (!isScarcity(error)) return error;
  return new CompanionError('CAPACITY', `${what}: ${error.message}`, { suggestion: SCARCITY_SUGGESTION });
}

export const isCapacityError = (error: unknown): boolean =>
  error instanceof CompanionError && error.code === 'CAPACITY';
