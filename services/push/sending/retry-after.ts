import type { SendOutcome } from '../../ports/push.js';

/** The delay in milliseconds that a `Retry-After` header (seconds, or an HTTP date) requests; undefined without one. */
export function parseRetryAfter(header: string | null | undefined, now: number): number | undefined {
  if (header === null || header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

const REQUEST_TIMEOUT = 408;
const TOO_MANY_REQUESTS = 429;
const SERVER_ERRORS = 500;

/** Whether the same request may succeed later. */
const isTransient = (status: number): boolean =>
  status === REQUEST_TIMEOUT || status === TOO_MANY_REQUESTS || status >= SERVER_ERRORS;

/** The outcome for a temporary failure's status; undefined for every other. */
export function retryOutcome(
  { status, retryAfter }: { status: number; retryAfter: string | null | undefined },
  reason: string,
): SendOutcome | undefined {
  if (!isTransient(status)) return undefined;
  const afterMs = parseRetryAfter(retryAfter, Date.now());
  return { kind: 'retry', reason, ...(afterMs !== undefined && { afterMs }) };
}
