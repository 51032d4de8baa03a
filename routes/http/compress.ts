import compression from 'compression';
import type { Request, RequestHandler, Response } from 'express';
import { findRule } from './request-context.js';

/** Smaller bodies are not worth it. In bytes. */
const THRESHOLD_BYTES = 1024;

/**
 * Compresses answers of at least 1 KiB with the encoding that the client prefers. The bodies are made in the threads of
 * zlib, piece by piece, and no faster than they are read.
 */
export const compressAnswers = (): RequestHandler =>
  compression({ threshold: THRESHOLD_BYTES, filter: isCompressible });

/**
 * Events must arrive at once; parts of a file are those of its bytes; and the length of a compressed answer would tell of
 * a credential in it.
 */
function isCompressible(request: Request, response: Response): boolean {
  if (findRule(response)?.secret) return false;
  if (response.hasHeader('Content-Range')) return false;
  if (String(response.getHeader('Content-Type')).startsWith('text/event-stream')) return false;
  return compression.filter(request, response);
}
