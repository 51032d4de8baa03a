import { CompanionError } from './error-codes.js';

/** Error codes of the system, and of Node for threads, for a temporary lack of processes, memory or descriptors. */
const SCARCITY_CODES: ReadonlySet<unknown> = new Set([
  'EAGAIN',
  'ENOMEM',
  'EMFILE',
  'ENFILE',
  'ERR_WORKER_INIT_FAILED',
]);

const SUGGESTION = 'Close sessions or programs, or raise the limits on processes and open files of the daemon.';

/** Whether the machine lacks a resource now, which says nothing about the request. */
export const isScarcity = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && SCARCITY_CODES.has(error.code);

/** Turns a resource shortage into `CAPACITY`, which is temporary; returns other errors unchanged. `what` failed. */
export function toCapacityError(what: string, error: unknown): unknown {
  if (!isScarcity(error)) return error;
  return new CompanionError('CAPACITY', `${what}: ${error.message}`, { suggestion: SUGGESTION });
}

export const isCapacityError = (error: unknown): boolean =>
  error instanceof CompanionError && error.code === 'CAPACITY';
