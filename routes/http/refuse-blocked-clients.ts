import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { ERROR_STATUS } from '../../protocol/error-codes.js';
import type { RateLimitError } from '../access/rate-limits.js';
import { httpCredential } from '../access/read-credential.js';
import type { RouteServices } from '../route-services.js';
import { errorBody, readRequestId } from './http-errors.js';
import { setRateLimitHeaders } from './rate-limit-headers.js';

const SECOND_MS = 1000;

/**
 * Refuses clients with too many guesses before anything is built for the request: thousands of requests a second must
 * not slow down the others. A possible credential is passed on to its check.
 */
export const refuseBlockedClients =
  ({ admission }: RouteServices, serve: RequestListener): RequestListener =>
  (request, response) => {
    const refusal = admission.keptOut(httpCredential(request), request);
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
