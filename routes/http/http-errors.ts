import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorRequestHandler, Request, Response } from 'express';
import { CompanionError, ERROR_STATUS, type ErrorCode, invalid } from '../../protocol/error-codes.js';
import type { ErrorBody } from '../../protocol/rest.js';
import type { Log } from '../../services/ports/log.js';
import { type Allowance, RateLimitError } from '../access/rate-limits.js';

const SECOND_MS = 1000;

/** An error with another status than that of its code, and headers that belong to it. */
export class StatusError extends CompanionError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, { code, message, details }: CompanionError, headers: Record<string, string> = {}) {
    super(code, message, details);
    this.status = status;
    this.headers = headers;
  }
}

const statusOf = (error: CompanionError): number =>
  error instanceof StatusError ? error.status : ERROR_STATUS[error.code];

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
  return { error: { code, message, status: statusOf(error), requestId, ...(details && { details }) } };
}

/** The kinds of errors that clients of OpenAI's API know. */
const OPENAI_TYPES: Partial<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

/** The same for clients of OpenAI's API, who read `type` and `param` as well. */
export function openAiError(error: CompanionError, requestId: string): ErrorBody {
  const { error: known } = errorBody(error, requestId);
  const type = OPENAI_TYPES[known.status] ?? (known.status < 500 ? 'invalid_request_error' : 'server_error');
  return { error: { ...known, type, param: error.details?.field ?? null } };
}

const OPENAI_PATH = /^\/v1(?:\/|$)/;
const bodyFor = ({ originalUrl }: Request) => (OPENAI_PATH.test(originalUrl) ? openAiError : errorBody);

const failures = new WeakMap<Response, ErrorCode>();

/** The error code of a refused request. */
export const failureOf = (response: Response): ErrorCode | undefined => failures.get(response);

/**
 * Answers with the error of a route. An unexpected error is logged with its request id, and reported without its text.
 */
export function createErrorHandler(log: Log): ErrorRequestHandler {
  return (thrown: unknown, request, response, _next) => {
    const requestId = requestIdOf(response);
    if (response.headersSent || response.destroyed) {
      log.warn('a response was cut off', { requestId, error: stackOf(thrown) });
      response.destroy();
      return;
    }
    const error = toCompanionError(thrown);
    failures.set(response, error.code);
    if (error.code === 'INTERNAL_ERROR') log.error('a request failed', { requestId, error: stackOf(thrown) });
    setHeadersOf(error, response);
    response.status(statusOf(error)).json(bodyFor(request)(error, requestId));
  };
}

function setHeadersOf(error: CompanionError, response: Response): void {
  const { retryAfterMs } = error.details ?? {};
  if (error instanceof RateLimitError) setRateLimitHeaders(response, error.allowance);
  if (retryAfterMs !== undefined) response.setHeader('Retry-After', Math.ceil(retryAfterMs / SECOND_MS));
  if (error.code === 'UNAUTHORIZED') response.setHeader('WWW-Authenticate', 'Bearer');
  if (error instanceof StatusError) response.set(error.headers);
}

/** The reported form of a thrown value. */
export function toCompanionError(thrown: unknown): CompanionError {
  if (thrown instanceof CompanionError) return thrown;
  if (thrown instanceof URIError) return invalid('path', 'must be percent-encoded UTF-8');
  const status = typeof thrown === 'object' && thrown !== null && 'status' in thrown ? thrown.status : undefined;
  if (status === 413) return bodyTooLarge(thrown);
  if (status === 415) return new StatusError(415, invalid('content-encoding', 'must be gzip, deflate, br or none'));
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new CompanionError('INVALID_REQUEST', 'The body must be JSON.', { field: 'body', rule: 'must be JSON' });
  }
  return new CompanionError('INTERNAL_ERROR', 'Something went wrong in the daemon; its log has this request id.');
}

function bodyTooLarge(thrown: unknown): CompanionError {
  const limit = typeof thrown === 'object' && thrown !== null && 'limit' in thrown ? Number(thrown.limit) : Number.NaN;
  const rule = Number.isFinite(limit) ? `must be at most ${limit} bytes` : 'must be smaller';
  return new CompanionError('PAYLOAD_TOO_LARGE', `The body ${rule}.`, { field: 'body', rule });
}

const stackOf = (thrown: unknown): string =>
  thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);

/** In the format of the IETF's draft on `RateLimit` header fields. */
export function setRateLimitHeaders(response: ServerResponse, { limit, remaining, resetMs }: Allowance): void {
  response.setHeader('RateLimit-Limit', limit);
  response.setHeader('RateLimit-Remaining', remaining);
  response.setHeader('RateLimit-Reset', Math.ceil(resetMs / SECOND_MS));
}
