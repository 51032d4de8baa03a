import { CompanionError } from './error-codes.js';

/** What a system says, and Node of a thread, when it has no process, memory or descriptor left to give: for now. */
const SCARCITY_CODES: ReadonlySet<unknown> = new Set([
  'EAGAIN',
  'ENOMEM',
  'EMFILE',
  'ENFILE',
  'ERR_WORKER_INIT_FAILED',
]);

const SUGGESTION = 'Close sessions or programs, or raise the limits on processes and open files of the daemon.';

/** Whether the machine lacks something now: it says nothing of what was asked. */
export const isScarcity = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && SCARCITY_CODES.has(error.code);

/** Turns a lack of the machine into `CAPACITY`, which passes; any other error is passed on. `what` could not be done. */
export function toCapacityError(what: string, error: unknown): unknown {
  if (!isScarcity(error)) return error;
  return new CompanionError('CAPACITY', `${what}: ${error.message}`, { suggestion: SUGGESTION });
}

export const isCapacityError = (error: unknown): boolean =>
  error instanceof CompanionError && error.code === 'CAPACITY';
