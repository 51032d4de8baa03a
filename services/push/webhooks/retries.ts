/** When a message is sent again. */
import { parseRetryAfter } from '../sending/retry-after.js';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** The schedule that standardwebhooks.com suggests: three days in all. */
const PAUSES_MS = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];
/** Messages that failed together are not sent together again. */
const JITTER = 0.2;
/** A server that asks for more gets this. */
const MAX_PAUSE_MS = 24 * HOUR_MS;

export interface Tried {
  /** How often it was sent. */
  tried: number;
  retryAfter: string | undefined;
  now: number;
  /** From 0 to 1. */
  random: number;
}

/** The time of the next attempt; undefined after the last one. A server can ask for a longer pause, up to a day. */
export function nextTryOf({ tried, retryAfter, now, random }: Tried): number | undefined {
  const pause = PAUSES_MS[tried - 1];
  if (pause === undefined) return undefined;
  const asked = Math.min(parseRetryAfter(retryAfter, now) ?? 0, MAX_PAUSE_MS);
  return now + Math.round(Math.max(pause * (1 + JITTER * random), asked));
}

/** Whether it is time. A clock that was put back does not hold it longer than any pause. */
export const isDue = (nextTry: number, now: number): boolean =>
  nextTry <= now || nextTry - now > MAX_PAUSE_MS * (1 + JITTER);
