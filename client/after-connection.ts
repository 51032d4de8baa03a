import { CLOSE } from '../protocol/error-codes.js';
import { type BackoffRange, backoffDelay } from './backoff.js';
import { ConnectionError } from './connection-error.js';

/** How a socket ended. */
export interface SocketEnd {
  /** Close code; 1006 when the socket broke or never opened. */
  code: number;
  reason: string;
  /** Status of the answer that took the place of an upgrade, where the platform tells. */
  httpStatus?: number;
}

interface EndedConnection {
  end: SocketEnd;
  /** Tries since the last connection that held. */
  attempt: number;
  /** How long it was open, in milliseconds; 0 when it never was. */
  openMs: number;
  backoff: BackoffRange;
  random?: () => number;
}

/** What follows: a next try, or none because the daemon would refuse it again. */
export type NextStep = { kind: 'stop'; error: ConnectionError } | { kind: 'retry'; attempt: number; delayMs: number };

/** A connection open for this long was a good one: the next trouble is a new one. */
const HELD_MS = 5_000;
const AT_ONCE: ReadonlySet<number> = new Set([CLOSE.restarting, CLOSE.goingAway]);

export function afterConnection({ end, attempt, openMs, backoff, random }: EndedConnection): NextStep {
  const error = refusalOf(end);
  if (error) return { kind: 'stop', error };
  const next = openMs >= HELD_MS ? 1 : attempt + 1;
  // A daemon that says "restarting" again and again must not be met with a busy loop.
  if (AT_ONCE.has(end.code) && next === 1) return { kind: 'retry', attempt: next, delayMs: 0 };
  return {
    kind: 'retry',
    attempt: next,
    delayMs: backoffDelay({ attempt: next, ...backoff, ...(random && { random }) }),
  };
}

function refusalOf({ code, reason, httpStatus }: SocketEnd): ConnectionError | undefined {
  const because = reason === '' ? '' : `: ${reason}`;
  if (httpStatus === 401) return new ConnectionError('unauthorized', 'The daemon did not take the credential.');
  if (httpStatus === 403) return new ConnectionError('forbidden', 'The daemon did not take the origin or host.');
  if (code === CLOSE.replaced) return new ConnectionError('replaced', `Another connection took this device${because}`);
  if (code === CLOSE.credentialRevoked) return new ConnectionError('revoked', `The credential is void${because}`);
  return undefined;
}
