import type { LeaveSignal } from './terminal-io.js';

const EXIT_CODES: Record<LeaveSignal, number> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** The person or the system interrupted the command. */
export class InterruptedError extends Error {
  readonly exitCode: number;

  constructor(signal: LeaveSignal) {
    super('Interrupted.');
    this.name = 'InterruptedError';
    this.exitCode = EXIT_CODES[signal];
  }
}
