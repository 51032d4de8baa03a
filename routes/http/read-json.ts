import express, { type RequestHandler } from 'express';
import { invalid } from '../../protocol/error-codes.js';
import { brokenJsonBound } from '../../protocol/json-bounds.js';
import { MAX_CLIENT_FRAME_OUTSIDE_STRINGS } from '../../protocol/limits.js';

/** Reads a JSON body up to a size such as `1mb`. */
export const readJson = (limit: string): RequestHandler => express.json({ limit, verify: refuseCostly });

/** As with the frames of a WebSocket: what would take long to parse is refused before that. */
function refuseCostly(_request: unknown, _response: unknown, body: Buffer): void {
  const broken = brokenJsonBound(body.toString('utf8'), { outsideStrings: MAX_CLIENT_FRAME_OUTSIDE_STRINGS });
  if (broken !== undefined) throw invalid('body', broken);
}
