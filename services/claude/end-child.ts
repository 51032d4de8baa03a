import { signalEach } from './process-identity.js';
import type { ProcessIdentity } from './process-reading.js';
import { type Sweep, sweep, waitForEnd } from './sweep.js';

const GRACEFUL_END_MS = 3000;
const TERM_END_MS = 5000;

export interface EndOptions {
  identity: ProcessIdentity;
  /** Writes an interrupt to the child; without it the child is not asked. */
  ask?: () => void;
  /** The processes to sweep after its end. */
  left: Sweep;
}

/**
 * Ends a child and all its descendants: asks and waits up to 3 s, SIGTERM and up to 5 s, SIGKILL, then the sweep. A
 * stopped or hung child reacts only to SIGKILL.
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
