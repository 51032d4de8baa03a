import type { IncomingMessage } from 'node:http';
import express, { type RequestHandler } from 'express';
import { invalid } from '../../protocol/error-codes.js';
import { brokenJsonBound } from '../../protocol/json-bounds.js';
import { MAX_CLIENT_FRAME_OUTSIDE_STRINGS } from '../../protocol/limits.js';
import { halfCharacterError } from '../../protocol/parse-client-frame.js';

/**
 * Reads a JSON body up to a size such as `1mb`. A body of another content type is refused: it would be read as empty.
 */
export function readJson(limit: string): RequestHandler {
  const texts = new WeakMap<IncomingMessage, string>();
  const parse = express.json({
    limit,
    verify: (request, _response, body) => {
      const text = body.toString('utf8');
      refuseCostly(text);
      texts.set(request, text);
    },
  });
  return (request, response, next) => {
    if (hasBody(request) && !isUtf8Json(request))
      return next(invalid('content-type', 'must be application/json in UTF-8'));
    parse(request, response, (error?: unknown) => {
      const text = texts.get(request);
      texts.delete(request);
      next(error ?? (text === undefined ? undefined : halfCharacterError(request.body, text, 'body')));
    });
  };
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

const JSON_TYPE = /^\s*application\/json\s*(?:;|$)/i;
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)/i;

function isUtf8Json({ headers }: IncomingMessage): boolean {
  const type = headers['content-type'] ?? '';
  const charset = CHARSET.exec(type)?.[1] ?? 'utf-8';
  return JSON_TYPE.test(type) && /^utf-?8$/i.test(charset);
}

/** As with the frames of a WebSocket, text that would take long to parse is refused first. */
function refuseCostly(text: string): void {
  const broken = brokenJsonBound(text, { outsideStrings: MAX_CLIENT_FRAME_OUTSIDE_STRINGS });
  if (broken !== undefined) throw invalid('body', broken);
}
