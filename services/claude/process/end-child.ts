import { type Liveness, openLiveness, signalEach } from './process-identity.js';
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

/** Clients must learn of an end within 100 ms. A check of twenty processes takes 0.1 ms. */
const LOOK_MS = 50;

interface Watched {
  liveness: Liveness;
  onEnd: () => void;
}

const watched = new Set<Watched>();
let ticker: NodeJS.Timeout | undefined;

/**
 * Reports the end of a process that is not a child of this one, for which the system sends no signal. One timer checks
 * all of them.
 */
export function watchForEnd(identity: ProcessIdentity, onEnd: () => void): { close(): void } {
  const one = { liveness: openLiveness(identity), onEnd };
  watched.add(one);
  ticker ??= setInterval(lookAtAll, LOOK_MS);
  return { close: () => forget(one) };
}

function lookAtAll(): void {
  for (const one of watched) {
    if (one.liveness.isAlive()) continue;
    forget(one);
    one.onEnd();
  }
}

function forget(one: Watched): void {
  if (!watched.delete(one)) return;
  one.liveness.close();
  if (watched.size > 0) return;
  clearInterval(ticker);
  ticker = undefined;
}
