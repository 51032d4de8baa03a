import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express, { type Request, type RequestHandler, type Response } from 'express';
import { invalid } from '../../protocol/error-codes.js';
import { brokenJsonBound } from '../../protocol/json.js';
import {
  MAX_BODY_BYTES,
  MAX_CLIENT_FRAME_BYTES,
  MAX_CLIENT_FRAME_OUTSIDE_STRINGS,
  MAX_STRANGERS_BODY_BYTES,
} from '../../protocol/limits.js';
import { halfCharacterError } from '../../protocol/parse-client-frame.js';
import { cutText } from '../../protocol/plain-text.js';
import { findRepeatedKey } from '../../protocol/repeated-key.js';
import { digestOf } from '../../services/telemetry/digest-of.js';
import type { RouteServices } from '../route-services.js';
import { StatusError } from './http-errors.js';
import { findPrincipal, findRule } from './request-context.js';

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
  await sendAll(response, pieces);
}

/** The same for a body whose type is set. */
export async function sendAll(response: Response, pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  const source = Readable.from(pieces, { objectMode: false, highWaterMark: PIECES_AHEAD_BYTES });
  await pipeline(source, response).catch((error: NodeJS.ErrnoException) => {
    if (!LEFT.has(error.code)) throw error;
  });
}

const PATIENCE_MS = 10_000;

/**
 * The rest of a request must arrive soon, or its connection ends: that of an unknown client, and all that follows the
 * answer. Node reads the rest of every body before it completes a request, even an unneeded one.
 */
export function setBodyDeadline(request: IncomingMessage): void {
  if (request.complete) return;
  // Held: a request that has ended can have lost it.
  const { socket } = request;
  setTimeout(() => {
    if (!request.complete) socket?.destroy();
  }, PATIENCE_MS).unref();
}

/** Reads the JSON body of a request, up to the size in the row of its command. Another content type is refused. */
export function readBodies(): RequestHandler {
  const readers = new Map<number, RequestHandler>();
  return (request, response, next) => {
    if (!hasBody(request) || isTakenAsBytes(request, response)) return next();
    const limit = maxBodyOf(response);
    const reader = readers.get(limit) ?? readJson(limit);
    readers.set(limit, reader);
    reader(request, response, next);
  };
}

/** Where an answer by a token is accepted, its sender may have no credential. */
function maxBodyOf(response: Response): number {
  const { needs, maxBody = MAX_BODY_BYTES.usual } = findRule(response) ?? {};
  return needs === 'actionToken' && !findPrincipal(response) ? MAX_STRANGERS_BODY_BYTES : maxBody;
}

const signed = new WeakMap<IncomingMessage, Buffer>();

/** The bytes of a body that its sender signs: those of routes with a credential of their own. */
export const signedBodyOf = (request: IncomingMessage): Buffer => signed.get(request) ?? Buffer.alloc(0);

const digests = new WeakMap<IncomingMessage, string>();

/** The digest of the body of a request with a key; undefined without a body. */
export const bodyDigestOf = (request: IncomingMessage): string | undefined => digests.get(request);

function readJson(limit: number): RequestHandler {
  const texts = new WeakMap<IncomingMessage, string>();
  const parse = express.json({
    limit,
    verify: (request, response, body) => {
      const text = body.toString('utf8');
      refuseCostly(text);
      texts.set(request, text);
      if (findRule(response as Response)?.ownCredential) signed.set(request, body);
      if (request.headers['idempotency-key'] !== undefined) digests.set(request, digestOf(body));
    },
  });
  return (request, response, next) => {
    if (!isUtf8Json(request)) return next(unsupported('content-type', 'must be application/json in UTF-8'));
    parse(request, response, (error?: unknown) => {
      const text = texts.get(request);
      texts.delete(request);
      next(error ?? (text === undefined ? undefined : halfCharacterError(request.body, text, 'body')));
    });
  };
}

const MAX_FIELD = 100;

/** A key can be empty, and of any length. */
const fieldOf = (path: string): string => cutText(path, MAX_FIELD) || 'body';

const BYTES_TYPE = 'application/octet-stream';

/** Whether the handler takes the body as it comes, since its route takes bytes and they are said to be that. */
export const isTakenAsBytes = (request: IncomingMessage, response: Response): boolean =>
  findRule(response)?.takesBytes === true && request.headers['content-type'] === BYTES_TYPE;

const unsupported = (field: string, rule: string): StatusError => new StatusError(415, invalid(field, rule));

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

const JSON_TYPE = /^\s*application\/json\s*(?:;|$)/i;
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)/i;

function isUtf8Json({ headers }: IncomingMessage): boolean {
  const type = headers['content-type'] ?? '';
  const charset = CHARSET.exec(type)?.[1] ?? 'utf-8';
  return JSON_TYPE.test(type) && /^utf-?8$/i.test(charset);
}

/** Deeper than anything that a command reads. */
const MAX_DEPTH = 500;
const BOUNDS = { depth: MAX_DEPTH, outsideStrings: MAX_CLIENT_FRAME_OUTSIDE_STRINGS };

/** As with the frames of a WebSocket, text that would take long to parse is refused first. */
function refuseCostly(text: string): void {
  const broken = brokenJsonBound(text, BOUNDS);
  if (broken !== undefined) throw invalid('body', broken);
  const repeated = findRepeatedKey(text);
  if (repeated !== undefined) throw invalid(fieldOf(repeated), 'must be given once');
}
