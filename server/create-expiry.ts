import { SteadyClock } from '../services/journal/steady-clock.js';
import type { Log } from '../services/ports/log.js';
import { SessionExpiry } from '../services/sessions/session-expiry.js';
import type { SessionRegistry } from '../services/sessions/session-registry.js';

export interface ExpiryParts {
  registry: SessionRegistry;
  /** In milliseconds. */
  ttlMs: number;
  log: Log;
}

/**
 * Closes sessions that nobody uses, from now on. The sessions must have been loaded: what they know of the time says
 * whether the wall clock has jumped while no daemon was there.
 */
export function createExpiry({ registry, ttlMs, log }: ExpiryParts): SessionExpiry {
  const last = Math.max(...registry.all().map((session) => session.lastUse));
  const clock = new SteadyClock({
    wall: () => Date.now(),
    monotonic: () => performance.now(),
    ...(Number.isFinite(last) && { last }),
  });
  return new SessionExpiry({ sessions: () => registry.all(), ttlMs, now: () => clock.now(), log });
}
