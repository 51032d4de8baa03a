import type { RequestHandler, Response } from 'express';
import type { Tracing } from '../../services/ports/tracing.js';
import { failureOf, requestIdOf } from './http-errors.js';
import { findPrincipal, findRule, setTrace } from './request-context.js';

/**
 * Traces what can begin work: each `POST` of a known caller, from the check of its credential to the end of its answer.
 * Reads would be many more, and those of strangers as many as they like.
 */
export const traceRequests =
  (tracing: Tracing): RequestHandler =>
  (request, response, next) => {
    const rule = findRule(response);
    if (rule?.method === 'POST' && (rule.ownCredential || findPrincipal(response))) {
      const { method, path } = rule;
      const span = tracing.begin({
        name: `${method} ${path}`,
        kind: 'server',
        parent: request.headers,
        facts: {
          'http.request.method': method,
          'http.route': path,
          'companion.request.id': requestIdOf(response),
        },
      });
      setTrace(response, span.traceparent);
      response.once('close', () => span.end(endOf(response), { isError: response.statusCode >= 500 }));
    }
    next();
  };

const endOf = (response: Response) => ({
  'http.response.status_code': response.statusCode,
  'error.type': failureOf(response),
  // Its client has left before the end.
  ...(!response.writableFinished && { 'companion.outcome': 'cut' }),
});
