import { type Liveness, openLiveness } from './process-identity.js';
import type { ProcessIdentity } from './process-reading.js';

/** Clients are to know of a death within 100 ms. A look at twenty takes 0.1 ms. */
const LOOK_MS = 50;

interface Watched {
  liveness: Liveness;
  onEnd: () => void;
}

const watched = new Set<Watched>();
let ticker: NodeJS.Timeout | undefined;

/**
 * Tells when a process has ended that is no child of this one, so that the system does not report its end. All of them
 * are looked at by one timer.
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
