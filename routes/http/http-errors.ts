import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { ErrorRequestHandler, Response } from 'express';
import { CompanionError, ERROR_STATUS, type ErrorCode, invalid } from '../../protocol/error-codes.js';
import type { ErrorBody } from '../../protocol/rest.js';
import type { Log } from '../../services/ports/log.js';
import { RateLimitError } from '../access/rate-limits.js';
import { setRateLimitHeaders } from './rate-limit-headers.js';

const SECOND_MS = 1000;

/** The id of a request's `X-Request-Id`, or a new one. */
export function readRequestId({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,128}$/.test(given) ? given : randomUUID();
}

/** The id that a request was given on arrival. */
export const requestIdOf = (response: Response): string => String(response.getHeader('x-request-id') ?? '');

/** An error in the format of REST. */
export function errorBody(error: CompanionError, requestId: string): ErrorBody {
  const { code, message, details } = error;
  return { error: { code, message, status: ERROR_STATUS[code], requestId, ...(details && { details }) } };
}

const failures = new WeakMap<Response, ErrorCode>();

/** The error code of a refused request. */
export const failureOf = (response: Response): ErrorCode | undefined => failures.get(response);

/**
 * Answers with the error of a route. An unexpected error is logged with its request id, and reported without its text.
 */
export function createErrorHandler(log: Log): ErrorRequestHandler {
  return (thrown: unknown, _request, response, _next) => {
    const requestId = requestIdOf(response);
    if (response.headersSent || response.destroyed) {
      log.warn('an answer was cut', { requestId, error: stackOf(thrown) });
      response.destroy();
      return;
    }
    const error = toCompanionError(thrown);
    failures.set(response, error.code);
    const { retryAfterMs } = error.details ?? {};
    if (error instanceof RateLimitError) setRateLimitHeaders(response, error.allowance);
    if (retryAfterMs !== undefined) response.setHeader('Retry-After', Math.ceil(retryAfterMs / SECOND_MS));
    if (error.code === 'INTERNAL_ERROR') log.error('a request failed', { requestId, error: stackOf(thrown) });
    response.status(ERROR_STATUS[error.code]).json(errorBody(error, requestId));
  };
}

/** The reported form of a thrown value. */
export function toCompanionError(thrown: unknown): CompanionError {
  if (thrown instanceof CompanionError) return thrown;
  if (thrown instanceof URIError) return invalid('path', 'must be percent-encoded UTF-8');
  const status = typeof thrown === 'object' && thrown !== null && 'status' in thrown ? thrown.status : undefined;
  if (status === 413) return new CompanionError('PAYLOAD_TOO_LARGE', 'The body is too large.', { field: 'body' });
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new CompanionError('INVALID_REQUEST', 'The body must be JSON.', { field: 'body', rule: 'must be JSON' });
  }
  return new CompanionError('INTERNAL_ERROR', 'Something went wrong in the daemon; its log has this request id.');
}

const stackOf = (thrown: unknown): string =>
  thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
