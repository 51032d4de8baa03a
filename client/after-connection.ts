import { CLOSE } from '../protocol/error-codes.js';
import { ConnectionError, type ConnectionErrorReason } from './errors.js';

/** How a socket ended. */
export interface SocketEnd {
  /** Close code; 1006 when the socket broke or never opened. */
  code: number;
  reason: string;
  /** The HTTP status of a refused upgrade, where the platform exposes it. */
  httpStatus?: number;
}

interface EndedConnection {
  end: SocketEnd;
  /** Tries since the last stable connection. */
  attempt: number;
  /** How long it was open, in milliseconds; 0 when it never was. */
  openMs: number;
  backoff: BackoffRange;
  /** Set where the token can be renewed. */
  renewal?: {
    /** The token was renewed right before this try. */
    isFresh: boolean;
    /** Consecutive tries that never opened, without a known cause. */
    untold: number;
  };
  random?: () => number;
}

/** The token is renewed before the next try. */
export interface TokenDoubt {
  /** The daemon has refused the token: the old one need not be tried again. */
  isCertain: boolean;
  /** The error to report if there is no other token. */
  error: ConnectionError;
}

/** The next step: another try, or none because the daemon would refuse it again. */
export type NextStep =
  | { kind: 'stop'; error: ConnectionError }
  | { kind: 'retry'; attempt: number; delayMs: number; doubt?: TokenDoubt };

/** A connection that was open for this long counts as stable: a later failure starts a new series of tries. */
const HELD_MS = 5_000;
/**
 * A browser does not distinguish a refused token (401) from an unreachable daemon. After each series of this many tries
 * that never opened, the token is renewed on suspicion: soon enough for a page that wakes up with an expired token,
 * and, with the delays between tries, rare enough while the daemon is down.
 */
const SUSPICIOUS_TRIES = 3;
const AT_ONCE: ReadonlySet<number> = new Set([CLOSE.restarting, CLOSE.goingAway]);

export function afterConnection({ end, attempt, openMs, backoff, renewal, random }: EndedConnection): NextStep {
  const error = refusalOf(end);
  const held = openMs >= HELD_MS;
  const next = held ? 1 : attempt + 1;
  if (error) {
    const canHelp = OF_THE_TOKEN.has(error.reason) && renewal && (held || !renewal.isFresh);
    return canHelp
      ? { kind: 'retry', attempt: next, delayMs: 0, doubt: { isCertain: true, error } }
      : { kind: 'stop', error };
  }
  // Repeated "restarting" from a daemon must not cause a busy loop.
  if (AT_ONCE.has(end.code) && next === 1) return { kind: 'retry', attempt: next, delayMs: 0 };
  return {
    kind: 'retry',
    attempt: next,
    delayMs: backoffDelay({ attempt: next, ...backoff, ...(random && { random }) }),
    ...(renewal && isSuspicious(renewal.untold) && { doubt: { isCertain: false, error: unauthorized() } }),
  };
}

const isSuspicious = (untold: number) => untold > 0 && untold % SUSPICIOUS_TRIES === 0;

const OF_THE_TOKEN: ReadonlySet<ConnectionErrorReason> = new Set(['unauthorized', 'revoked']);

export const unauthorized = () => new ConnectionError('unauthorized', 'The daemon refused the credential.');

function refusalOf({ code, reason, httpStatus }: SocketEnd): ConnectionError | undefined {
  const because = reason === '' ? '' : `: ${reason}`;
  if (httpStatus === 401) return unauthorized();
  if (httpStatus === 403) return new ConnectionError('forbidden', 'The daemon refused the origin or the host.');
  if (code === CLOSE.replaced) return new ConnectionError('replaced', `Another connection replaced this one${because}`);
  if (code === CLOSE.credentialRevoked)
    return new ConnectionError('revoked', `The credential is revoked or expired${because}`);
  return undefined;
}

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
