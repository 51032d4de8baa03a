import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, RequestHandler, Response } from 'express';
import { MAX_CLIENT_FRAME_BYTES } from '../../protocol/limits.js';
import type { RouteServices } from '../route-services.js';
import { findPrincipal } from './principal.js';

/** What a body costs in memory that is made piece by piece: a piece, and the same in the buffers on its way out. */
const PIECEWISE_BYTES = 256 * 1024;
const PIECES_AHEAD_BYTES = 64 * 1024;
/** Smaller ones are left uncounted: errors, and most answers. */
const SMALL_BYTES = 16 * 1024;

type Bodies = Pick<RouteServices, 'bodies' | 'admission'>;

/**
 * Counts bytes as held in memory until the answer is out or its connection is gone, at least those of an answer that is
 * made in pieces. Throws `RATE_LIMITED`.
 */
export function holdBytes({ bodies, admission }: Bodies, response: Response, bytes = 0): void {
  const who = findPrincipal(response)?.userId ?? admission.addressOf(response.req);
  response.once('close', bodies.take(who, Math.max(bytes, PIECEWISE_BYTES)));
}

/** Counts the body of a request before any of it is read, and every answer that is sent in one piece. */
export const boundBodies =
  (services: Bodies): RequestHandler =>
  (request, response, next) => {
    const expected = Math.min(bodyBytes(request), MAX_CLIENT_FRAME_BYTES);
    if (expected > SMALL_BYTES) holdBytes(services, response, expected);
    const send = response.send.bind(response);
    response.send = (body: unknown) => {
      const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body.length : 0;
      if (bytes > SMALL_BYTES) holdBytes(services, response, bytes);
      return send(body);
    };
    next();
  };

/** A body that does not tell its size may become as large as the largest. */
function bodyBytes({ headers }: Request): number {
  const { 'content-length': length, 'transfer-encoding': chunked } = headers;
  if (length !== undefined) return Number(length);
  return chunked === undefined ? 0 : MAX_CLIENT_FRAME_BYTES;
}

const PIECE_UNITS = 32 * 1024;

/** A long text in pieces; no character is cut. */
export function* textPieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const piece = text.slice(at, at + PIECE_UNITS);
    const whole = at + piece.length < text.length ? piece.replace(/[\ud800-\udbff]$/, '') : piece;
    yield whole;
    at += whole.length;
  }
}

/** What a connection says of itself that its reader, or its server, has ended. */
const LEFT = new Set<unknown>(['ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED', 'ECONNRESET', 'EPIPE']);

/**
 * Sends JSON that is made piece by piece, as fast as it is read. When a piece cannot be made any more the connection
 * ends, so that what was sent is seen to be cut, and it rejects with why; when nobody reads, its server ends it.
 */
export async function sendPieces(response: Response, pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  response.type('json');
  const source = Readable.from(pieces, { objectMode: false, highWaterMark: PIECES_AHEAD_BYTES });
  await pipeline(source, response).catch((error: NodeJS.ErrnoException) => {
    if (!LEFT.has(error.code)) throw error;
  });
}
