/** Bounds of the delays between tries, in milliseconds. */
export interface BackoffRange {
  /** Bound of the first delay. */
  minMs: number;
  /** Bound of every delay. */
  maxMs: number;
}

interface BackoffOptions extends BackoffRange {
  /** The number of the try after the delay, from 1. */
  attempt: number;
  /** A number from 0 up to, not including, 1. */
  random?: () => number;
}

/**
 * A delay in milliseconds between 0 and a bound that doubles with each attempt. It is uniform in that range ("full
 * jitter"), so that the clients of a restarted daemon do not reconnect all at once.
 */
export function backoffDelay({ attempt, minMs, maxMs, random = Math.random }: BackoffOptions): number {
  const bound = Math.min(maxMs, minMs * 2 ** Math.max(0, attempt - 1));
  return Math.floor(random() * bound);
}
