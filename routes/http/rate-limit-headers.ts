import type { ServerResponse } from 'node:http';
import type { Allowance } from '../access/rate-limits.js';

const SECOND_MS = 1000;

/** In the format of the IETF's draft on `RateLimit` header fields. */
export function setRateLimitHeaders(response: ServerResponse, { limit, remaining, resetMs }: Allowance): void {
  response.setHeader('RateLimit-Limit', limit);
  response.setHeader('RateLimit-Remaining', remaining);
  response.setHeader('RateLimit-Reset', Math.ceil(resetMs / SECOND_MS));
}
