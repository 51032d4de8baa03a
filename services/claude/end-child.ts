import { signalEach } from './process-identity.js';
import type { ProcessIdentity } from './process-reading.js';
import { type Sweep, sweep, waitForEnd } from './sweep.js';

const GRACEFUL_END_MS = 3000;
const TERM_END_MS = 5000;

export interface EndOptions {
  identity: ProcessIdentity;
  /** Writes to it that it shall interrupt what it does and end; without it the child is not asked. */
  ask?: () => void;
  /** What is looked for when it is gone. */
  left: Sweep;
}

/**
 * Ends a child and all that it started: asks and waits up to 3 s, SIGTERM and up to 5 s, SIGKILL, then the sweep. One
 * that is stopped or hangs takes no notice of anything but the last.
 */
export async function endChild({ identity, ask, left }: EndOptions): Promise<void> {
  if (ask) {
    ask();
    await waitForEnd([identity], GRACEFUL_END_MS);
  }
  await signalEach([identity], 'SIGTERM');
  if (!(await waitForEnd([identity], TERM_END_MS))) await signalEach([identity], 'SIGKILL');
  await sweep(left);
}
