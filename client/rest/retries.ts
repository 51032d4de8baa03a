/** When a request is sent again: only where that cannot do something twice. */
import type { Call } from './operation.js';
import { RestError } from './rest-error.js';

const FIRST_MS = 250;
const LONGEST_MS = 10_000;
/** A daemon that asks for a longer pause is not waited for. */
const LONGEST_ASKED_MS = 30_000;
/** From something between here and the daemon: it may have run, or not. */
const UNTOLD: ReadonlySet<number> = new Set([502, 503, 504]);

/**
 * Milliseconds until the request is sent again; undefined when that would not be right. A request that got no answer
 * may have run: it is repeated where its method, or its key, makes it the same request. `PATCH` has neither, and with
 * `If-Match` its own success would refuse it.
 */
export function pauseBefore(attempt: number, call: Call, failure: unknown): number | undefined {
  if (failure instanceof RestError && failure.code !== undefined) return askedPause(failure);
  if (failure instanceof RestError && !UNTOLD.has(failure.status)) return undefined;
  if (!canRepeat(call)) return undefined;
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** (attempt - 1));
  return most / 2 + (Math.random() * most) / 2;
}

/** The daemon has refused it before it did anything. */
function askedPause({ status, retryAfterMs }: RestError): number | undefined {
  const isBusy = status === 429 || status === 503;
  return isBusy && retryAfterMs !== undefined && retryAfterMs <= LONGEST_ASKED_MS ? retryAfterMs : undefined;
}

const canRepeat = ({ method, input }: Call): boolean => method !== 'PATCH' && input.ifMatch === undefined;
