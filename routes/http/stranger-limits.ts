import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { ErrorRequestHandler } from 'express';
import { CompanionError, ERROR_STATUS } from '../../protocol/error-codes.js';
import { networkOf } from '../access/client-address.js';
import type { RateLimitError } from '../access/rate-limits.js';
import { httpCredential } from '../access/read-credential.js';
import type { RouteServices } from '../route-services.js';
import { errorBody, readRequestId, setRateLimitHeaders } from './http-errors.js';
import { findPrincipal } from './request-context.js';

/** Counts a request of an unknown client by its address. Rejects with `RATE_LIMITED`. */
export async function countStranger({ admission }: RouteServices, request: IncomingMessage): Promise<void> {
  await admission.limits.take('reads', networkOf(admission.addressOf(request)));
}

/** Where unknown clients can send requests, and wrong credentials are counted: a malformed request counts as well. */
export const countMalformed =
  (services: RouteServices): ErrorRequestHandler =>
  async (thrown: unknown, request, response, next) => {
    if (isMalformed(thrown) && !findPrincipal(response)) await countStranger(services, request);
    next(thrown);
  };

/** A body that could not be parsed, by the daemon's own error or the parser's. */
function isMalformed(thrown: unknown): boolean {
  if (thrown instanceof CompanionError) return thrown.code === 'INVALID_REQUEST' || thrown.code === 'PAYLOAD_TOO_LARGE';
  const status = typeof thrown === 'object' && thrown !== null && 'status' in thrown ? thrown.status : undefined;
  return typeof status === 'number' && status >= 400 && status < 500;
}

const SECOND_MS = 1000;

/**
 * Refuses clients with too many guesses before anything is built for the request: thousands of requests a second must
 * not slow down the others. A possible credential is passed on to its check.
 */
export const refuseBlockedClients =
  ({ admission }: RouteServices, serve: RequestListener): RequestListener =>
  (request, response) => {
    const refusal = admission.refusalOf(httpCredential(request), request);
    if (refusal) refuse(request, response, refusal);
    else serve(request, response);
  };

function refuse(request: IncomingMessage, response: ServerResponse, refusal: RateLimitError): void {
  const requestId = readRequestId(request);
  setRateLimitHeaders(response, refusal.allowance);
  response.writeHead(ERROR_STATUS.RATE_LIMITED, {
    'Content-Type': 'application/json; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'X-Request-Id': requestId,
    'Retry-After': Math.ceil(refusal.allowance.resetMs / SECOND_MS),
  });
  response.end(JSON.stringify(errorBody(refusal, requestId)));
}
