/** How long to wait between tries, in milliseconds. */
export interface BackoffRange {
  /** Bound of the first delay. */
  minMs: number;
  /** Bound of every delay. */
  maxMs: number;
}

interface BackoffOptions extends BackoffRange {
  /** Which try the delay is before, from 1. */
  attempt: number;
  /** A number from 0 up to, not including, 1. */
  random?: () => number;
}

/**
 * A delay in milliseconds between 0 and a bound that doubles with each attempt. All of the range is used ("full
 * jitter"), so that the clients of a daemon that went away do not come back together.
 */
export function backoffDelay({ attempt, minMs, maxMs, random = Math.random }: BackoffOptions): number {
  const bound = Math.min(maxMs, minMs * 2 ** Math.max(0, attempt - 1));
  return Math.floor(random() * bound);
}
