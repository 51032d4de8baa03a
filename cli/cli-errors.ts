import { type CommandHints, commandHints, otherDemoHome } from '../config/command-hints.js';
import type { LeaveSignal } from './terminal-io.js';

/** No daemon answers at the local socket. */
export class NoDaemonError extends Error {
  constructor(socketPath: string) {
    super(`No daemon answers at ${socketPath}.`);
    this.name = 'NoDaemonError';
  }
}

/** How to start the daemon of this home, and how to reach the demo's where there is one. */
export function startAdvice(home: string, hints: CommandHints): string {
  const demo = otherDemoHome(home);
  const other = demo === undefined ? '' : `\nFor the demo's daemon: ${commandHints(demo).companion('…')}`;
  return `Start it with: ${hints.start}${other}`;
}

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
