import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, RequestHandler, Response } from 'express';
import { MAX_CLIENT_FRAME_BYTES } from '../../protocol/limits.js';
import type { RouteServices } from '../route-services.js';
import { findPrincipal } from './principal.js';

/** The memory cost of a body that is generated in pieces: a piece, and the same in the output buffers. */
const PIECEWISE_BYTES = 256 * 1024;
const PIECES_AHEAD_BYTES = 64 * 1024;
/** Smaller bodies are not counted: errors, and most answers. */
const SMALL_BYTES = 16 * 1024;

type Bodies = Pick<RouteServices, 'bodies' | 'admission'>;

/**
 * Counts bytes as held in memory until the answer is sent or its connection has ended, at least those of an answer that
 * is generated in pieces. Throws `RATE_LIMITED`.
 */
export function holdBytes({ bodies, admission }: Bodies, response: Response, bytes = 0): void {
  const who = findPrincipal(response)?.userId ?? admission.addressOf(response.req);
  response.once('close', bodies.take(who, Math.max(bytes, PIECEWISE_BYTES)));
}

/** Counts the body of a request before it is read, and every answer that is sent in one piece. */
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

/** A body of unknown size counts as the largest permitted one. */
function bodyBytes({ headers }: Request): number {
  const { 'content-length': length, 'transfer-encoding': chunked } = headers;
  if (length !== undefined) return Number(length);
  return chunked === undefined ? 0 : MAX_CLIENT_FRAME_BYTES;
}

const PIECE_UNITS = 32 * 1024;

/** Splits a long text into pieces without splitting a character. */
export function* textPieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const piece = text.slice(at, at + PIECE_UNITS);
    const whole = at + piece.length < text.length ? piece.replace(/[\ud800-\udbff]$/, '') : piece;
    yield whole;
    at += whole.length;
  }
}

/** Error codes of a connection that was ended by its reader or its server. */
const LEFT = new Set<unknown>(['ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED', 'ECONNRESET', 'EPIPE']);

/**
 * Sends JSON that is generated in pieces, as fast as it is read. After a failure to generate a piece the connection
 * ends, so that the answer is visibly truncated, and the promise rejects with the cause; when the client stops reading,
 * its server ends the connection.
 */
export async function sendPieces(response: Response, pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  response.type('json');
  const source = Readable.from(pieces, { objectMode: false, highWaterMark: PIECES_AHEAD_BYTES });
  await pipeline(source, response).catch((error: NodeJS.ErrnoException) => {
    if (!LEFT.has(error.code)) throw error;
  });
}
