/** A file as bytes, whole or in part (RFC 9110, section 14), and as it is sent. */
import { basename } from 'node:path';
import type { Request, Response } from 'express';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { OpenBytes } from '../../services/ports/workspace.js';
import { sendAll } from '../http/bodies.js';
import { isKnown } from '../http/conditional.js';
import { StatusError } from '../http/http-errors.js';

interface Part {
  from: number;
  /** After the last byte. */
  to: number;
}

/**
 * Answers 206 for one range, 304 for a version that the client has, 416 for a range that cannot be. A browser stores the
 * file and does not show it: a page of a project must not act in the name of the daemon.
 */
export async function sendRaw(response: Response, file: OpenBytes): Promise<void> {
  const { path, size, mimeType, version } = file.info;
  if (isKnown(response, version)) return;
  const part = partOf(response.req, { size, version });
  const { from, to } = part ?? { from: 0, to: size };
  response.status(part ? 206 : 200);
  response.attachment(basename(path));
  response.set({
    'Content-Type': mimeType.startsWith('text/') ? `${mimeType}; charset=utf-8` : mimeType,
    'Content-Length': String(to - from),
    'Accept-Ranges': 'bytes',
    // What is compressed has other ranges.
    'Cache-Control': 'no-cache, no-transform',
    ...(part && { 'Content-Range': `bytes ${from}-${to - 1}/${size}` }),
  });
  if (response.req.method === 'HEAD') response.end();
  else await sendAll(response, file.pieces(from, to));
}

/** Undefined for the whole file: also for several ranges, and for a version that the client does not have any more. */
function partOf(request: Request, { size, version }: { size: number; version: string }): Part | undefined {
  const condition = request.get('If-Range');
  if (condition !== undefined && condition !== `"${version}"`) return undefined;
  const ranges = request.range(size, { combine: true });
  if (ranges === undefined) return undefined;
  if (ranges === -1) throw cannotBe(size);
  if (ranges === -2 || ranges.type !== 'bytes') throw invalid('Range', 'must be bytes=<first>-<last>');
  const [range, ...others] = ranges;
  return range && others.length === 0 ? { from: range.start, to: range.end + 1 } : undefined;
}

function cannotBe(size: number): StatusError {
  const rule = `must be within the ${size} bytes of the file`;
  const error = new CompanionError('INVALID_REQUEST', `Range: ${rule}`, { field: 'Range', rule });
  return new StatusError(416, error, { 'Content-Range': `bytes */${size}` });
}

/** The body of a request as it comes. Rejects with `INVALID_REQUEST` when its connection ends before it. */
export async function* bytesOf(request: Request): AsyncGenerator<Uint8Array> {
  try {
    yield* request;
  } catch {
    // Only its end can fail: the client has gone.
    throw invalid('body', 'must arrive whole');
  }
}
