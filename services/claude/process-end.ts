import { type Liveness, openLiveness } from './process-identity.js';
import type { ProcessIdentity } from './process-reading.js';

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
