import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import type { RouteRule } from '../../protocol/commands/rest.js';
import { CompanionError, type ErrorCode } from '../../protocol/error-codes.js';
import { MAX_KEPT_ANSWER_BYTES } from '../../protocol/limits.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { AnswerKey, BegunRequest, KeptAnswer, KnownRequest } from '../../services/ports/answers.js';
import { digestOf } from '../../services/telemetry/digest-of.js';
import type { RouteServices } from '../route-services.js';
import { bodyDigestOf } from './bodies.js';
import { toCompanionError } from './http-errors.js';
import {
  deviceOf,
  IDEMPOTENCY_KEY as FIELD,
  findPrincipal,
  findRule,
  idempotencyKeyOf,
  sessionIn,
} from './request-context.js';

const REPLAYED = 'Idempotent-Replayed';
const KEPT_MS = 86_400_000;
/** Answers that must not be on the disk. */
const MOST_IN_MEMORY = 1000;

/** Marks an answer as that of an earlier request. */
export const markReplayed = (response: Response): void => {
  response.setHeader(REPLAYED, 'true');
};

/** A request that repeats an earlier one, and changed nothing. */
export const isReplayed = (response: Response): boolean => response.getHeader(REPLAYED) !== undefined;

interface Asked extends Omit<BegunRequest, 'at'> {
  rule: RouteRule;
  response: Response;
}

/** What became of a request: `unknown` where it failed in a way that it should not. */
type Outcome = KeptAnswer | 'refused' | 'unknown';

const outcomes = new WeakMap<Response, (outcome: Outcome) => void>();

/**
 * Runs each request with an `Idempotency-Key` once, and answers the others with that key as the first: those at the same
 * time, and for 24 hours those that come later. A refused request leaves nothing behind. Must come after everything that
 * reads the request, and before its route.
 */
export function runOnce(services: Pick<RouteServices, 'answers' | 'now' | 'log'>): RequestHandler {
  const requests = new RepeatableRequests(services);
  return async (request, response, next) => {
    const asked = readAsked(request, response);
    if (!asked) return next();
    const answer = await requests.take(asked);
    if (response.destroyed) return;
    if (answer) replay(response, answer);
    else next();
  };
}

/** Must come before the handler that answers with the error. */
export const endRefused: ErrorRequestHandler = (thrown: unknown, _request, response, next) => {
  outcomes.get(response)?.(toCompanionError(thrown).code === UNEXPECTED ? 'unknown' : 'refused');
  next(thrown);
};

const UNEXPECTED: ErrorCode = 'INTERNAL_ERROR';

function readAsked(request: Request, response: Response): Asked | undefined {
  const key = idempotencyKeyOf(request);
  const sender = findPrincipal(response);
  const rule = findRule(response);
  if (key === undefined || !sender || !rule) return undefined;
  const { userId, deviceId } = deviceOf(sender);
  const url = request.originalUrl.replace('/api/claude-code/sessions', '/api/sessions');
  const fingerprint = digestOf(JSON.stringify([url, bodyDigestOf(request)]));
  const sessionId = sessionIn(request.path) as SessionId | undefined;
  return { userId, command: rule.command, key: digestOf(key), deviceId, fingerprint, sessionId, rule, response };
}

function replay(response: Response, { status, contentType, body }: KeptAnswer): void {
  markReplayed(response);
  response
    .status(status)
    .set('Content-Type', contentType)
    .send(Buffer.from(body ?? ''));
}

interface Running {
  fingerprint: string;
  /** Never rejects. */
  ended: Promise<void>;
}

class RepeatableRequests {
  readonly #services: Pick<RouteServices, 'answers' | 'now' | 'log'>;
  readonly #running = new Map<string, Running>();
  readonly #inMemory = new Map<string, KeptAnswer>();

  constructor(services: Pick<RouteServices, 'answers' | 'now' | 'log'>) {
    this.#services = services;
  }

  /**
   * Resolves with the answer of the same request before; without one, the request runs now, unless its client has left.
   * Rejects with `CONFLICT` when the key is that of another request, or when it is unknown what came of the first.
   */
  async take(asked: Asked): Promise<KeptAnswer | undefined> {
    const id = idOf(asked);
    for (let other = this.#running.get(id); other; other = this.#running.get(id)) {
      requireSame(other, asked);
      await other.ended;
    }
    const answer = this.#find(asked);
    if (answer || asked.response.destroyed) return answer;
    const { answers, now } = this.#services;
    answers.begin({ ...asked, at: now() }, now() - KEPT_MS);
    this.#begin(asked);
    return undefined;
  }

  #find(asked: Asked): KeptAnswer | undefined {
    const { answers, now } = this.#services;
    const known = answers.find(asked, now() - KEPT_MS);
    if (!known) return undefined;
    requireSame(known, asked);
    const answer = known.answer?.body === undefined ? this.#inMemory.get(idOf(asked)) : known.answer;
    if (!answer && !mayRunAgain(asked, known)) throw lost(known);
    return answer;
  }

  #begin(asked: Asked): void {
    const { response } = asked;
    let settle = () => {};
    const ended = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const id = idOf(asked);
    this.#running.set(id, { fingerprint: asked.fingerprint, ended });
    const end = (outcome: Outcome) => {
      if (!outcomes.delete(response)) return;
      this.#keep(asked, outcome);
      this.#running.delete(id);
      settle();
    };
    outcomes.set(response, end);
    captureAnswer(response, end);
  }

  /** The answer is given even if this fails; the key then counts as that of a request whose outcome is unknown. */
  #keep(asked: Asked, outcome: Outcome): void {
    const { answers, log } = this.#services;
    try {
      if (outcome === 'refused') answers.release(asked);
      else if (outcome !== 'unknown') this.#keepAnswer(asked, outcome);
    } catch (error) {
      log.warn('the answer to a request with a key could not be kept', { error: String(error) });
    }
  }

  #keepAnswer(asked: Asked, answer: KeptAnswer): void {
    if (asked.rule.secret) this.#keepInMemory(idOf(asked), answer);
    const kept = asked.rule.secret ? { ...answer, body: undefined } : answer;
    this.#services.answers.finish(asked, kept, asked.sessionId ?? madeSession(answer));
  }

  #keepInMemory(id: string, answer: KeptAnswer): void {
    this.#inMemory.delete(id);
    this.#inMemory.set(id, answer);
    const [oldest] = this.#inMemory.keys();
    if (this.#inMemory.size > MOST_IN_MEMORY && oldest !== undefined) this.#inMemory.delete(oldest);
  }
}

const idOf = ({ userId, command, key }: AnswerKey): string => `${userId} ${command} ${key}`;

const conflict = (rule: string): CompanionError =>
  new CompanionError('CONFLICT', `${FIELD}: ${rule}`, { field: FIELD, rule });

function requireSame(known: { fingerprint: string }, { fingerprint }: Asked): void {
  if (known.fingerprint !== fingerprint) throw conflict('must be a new key: this one came with another request');
}

/** A prompt is the same one only when it comes from the same device (I1). */
const mayRunAgain = ({ rule, deviceId }: Asked, known: KnownRequest): boolean =>
  rule.again === 'same' || (rule.again === 'samePrompt' && known.deviceId === deviceId);

const lost = ({ answer }: KnownRequest): CompanionError =>
  answer
    ? conflict('must be a new key: the request ran, and its answer was not kept')
    : conflict('must be a new key: the daemon stopped during the first request, which may have run');

/** The session in the answer to a request that names none. */
function madeSession({ contentType, body = '' }: KeptAnswer): SessionId | undefined {
  if (!contentType.startsWith('application/json') || body === '') return undefined;
  const answer: unknown = JSON.parse(body);
  const found = typeof answer === 'object' && answer !== null && 'sessionId' in answer ? answer.sessionId : undefined;
  return typeof found === 'string' ? (found as SessionId) : undefined;
}

/** Reports the answer before its end is sent: a client that has it can rely on it. A cut one is `unknown`. */
function captureAnswer(response: Response, end: (outcome: Outcome) => void): void {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: unknown, encoding?: unknown) => {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return;
    const piece = Buffer.from(chunk as string, encoding as BufferEncoding);
    bytes += piece.length;
    if (bytes <= MAX_KEPT_ANSWER_BYTES) pieces.push(piece);
  };
  const answer = (): Outcome => {
    const { statusCode: status } = response;
    if (status >= 400) return status >= 500 ? 'unknown' : 'refused';
    const body = bytes <= MAX_KEPT_ANSWER_BYTES ? Buffer.concat(pieces).toString('utf8') : undefined;
    return { status, contentType: String(response.getHeader('content-type') ?? ''), body };
  };
  const { write, end: endAnswer } = response;
  response.write = ((...args: Parameters<typeof write>) => {
    take(args[0], args[1]);
    return write.apply(response, args);
  }) as typeof write;
  response.end = ((...args: Parameters<typeof endAnswer>) => {
    take(args[0], args[1]);
    end(answer());
    return endAnswer.apply(response, args);
  }) as typeof endAnswer;
  response.once('close', () => {
    // Its route goes on where nothing was sent yet.
    if (response.headersSent) end('unknown');
  });
}
