/**
 * Requests to one of Apple's environments over an HTTP/2 session of its own. After "Establishing a connection to APNs"
 * and "Handling notification responses from APNs".
 */

import type { SecureClientSessionOptions } from 'node:http2';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { parseRetryAfter } from '../sending/retry-after.js';

export interface ApnsRequest {
  headers: OutgoingHttpHeaders;
  body: string;
}

/** The outcome of a request. */
export type ApnsAnswer =
  | { kind: 'answered'; status: number; reason?: string; timestamp?: number; afterMs?: number }
  /** An answer may have been lost. `connected`: Apple was reached. */
  | { kind: 'unanswered'; why: string; connected: boolean };

/** Of a request that the end of the sender leaves without an answer. */
export const CLOSING: ApnsAnswer = { kind: 'unanswered', why: 'closing', connected: true };

export interface ApnsConnectionOptions {
  /** A host name or an address. */
  address: string;
  port: number;
  /** Certificates to trust, and the client's own. */
  tls: Pick<SecureClientSessionOptions, 'ca' | 'cert' | 'key'>;
  /** A request that takes longer counts as unanswered, and its session is not used again. */
  timeoutMs: number;
  /** Interval of the checks of a session. Default: a minute. */
  pingMs?: number;
}

interface Attempt extends ApnsRequest {
  settle: (answer: ApnsAnswer) => void;
  stream?: ClientHttp2Stream;
}

interface Session {
  http2: ClientHttp2Session;
  /** Its socket, once it is connected. */
  socket?: { destroy(): void };
  /** Apple's settings are known: before, it accepts one stream, and would refuse the others. */
  isReady: boolean;
  /** The error that ended it. */
  error?: string | undefined;
  readonly attempts: Set<Attempt>;
}

/** Maximum answer body that is read; Apple's have less than a hundred bytes. */
const MAX_ANSWER_CHARS = 10_000;
/** A network that has changed leaves a session that nothing answers: a push would find out only by its time-out. */
const PING_MS = 60_000;

export class ApnsConnection {
  readonly #options: ApnsConnectionOptions;
  readonly #sessions = new Set<Session>();
  /** The session for further requests. */
  #current: Session | undefined;
  readonly #pings: NodeJS.Timeout;
  #onIdle: (() => void) | undefined;
  #closed = false;

  constructor(options: ApnsConnectionOptions) {
    this.#options = options;
    this.#pings = setInterval(() => this.#ping(), options.pingMs ?? PING_MS).unref();
  }

  /** Sends one request and answers once, at the latest after the time-out. Never rejects. */
  request({ headers, body }: ApnsRequest): Promise<ApnsAnswer> {
    if (this.#closed) return Promise.resolve(CLOSING);
    return new Promise((resolve) => {
      const session = this.#current ?? this.#open();
      const attempt: Attempt = { headers, body, settle: () => {} };
      const timer = setTimeout(() => this.#giveUp(session, attempt), this.#options.timeoutMs);
      attempt.settle = (answer) => {
        clearTimeout(timer);
        if (!session.attempts.delete(attempt)) return;
        resolve(answer);
        this.#endWhenUnused(session);
        if (!this.#isBusy) this.#onIdle?.();
      };
      session.attempts.add(attempt);
      if (session.isReady) begin(session, attempt);
    });
  }

  /** Waits up to `graceMs` for requests in flight; the rest count as unanswered. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    clearInterval(this.#pings);
    if (this.#isBusy) await this.#idleWithin(graceMs);
    this.#current = undefined;
    for (const session of Array.from(this.#sessions)) {
      settleAll(session, CLOSING);
      this.#destroy(session);
    }
  }

  get #isBusy(): boolean {
    for (const { attempts } of this.#sessions) if (attempts.size > 0) return true;
    return false;
  }

  async #idleWithin(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #open(): Session {
    const { address, port, tls } = this.#options;
    const host = address.includes(':') ? `[${address}]` : address;
    const http2 = connect(`https://${host}:${port}`, tls);
    const session: Session = { http2, isReady: false, attempts: new Set() };
    this.#sessions.add(session);
    this.#current = session;
    http2.once('connect', (_session, socket) => {
      session.socket = socket;
    });
    http2.once('remoteSettings', () => {
      session.isReady = true;
      for (const attempt of Array.from(session.attempts)) begin(session, attempt);
    });
    http2.on('error', (error: NodeJS.ErrnoException) => {
      session.error ??= error.code;
    });
    http2.once('goaway', () => this.#retire(session));
    http2.once('close', () => {
      this.#retire(session);
      this.#sessions.delete(session);
      // Streams have their own end.
      for (const attempt of Array.from(session.attempts))
        if (!attempt.stream) attempt.settle(lost(session, session.error));
    });
    return session;
  }

  /** No further request uses the session; those in flight continue. */
  #retire(session: Session): void {
    if (session === this.#current) this.#current = undefined;
    this.#endWhenUnused(session);
  }

  #giveUp(session: Session, attempt: Attempt): void {
    const { timeoutMs } = this.#options;
    const { stream } = attempt;
    this.#retire(session);
    attempt.settle(lost(session, `no answer within ${timeoutMs} ms`));
    stream?.close(constants.NGHTTP2_CANCEL);
  }

  #ping(): void {
    const session = this.#current;
    if (!session?.isReady || session.http2.destroyed) return;
    const timer = setTimeout(() => this.#retire(session), this.#options.timeoutMs).unref();
    session.http2.ping((error) => {
      clearTimeout(timer);
      if (error) this.#retire(session);
    });
  }

  /** A retired session ends with its last request; a hung peer would keep it open. */
  #endWhenUnused(session: Session): void {
    if (session === this.#current || session.attempts.size > 0) return;
    // Runs after the other handlers of the last stream.
    setImmediate(() => this.#destroy(session));
  }

  /** A gracefully closed session waits for its peer to close the socket, and a second close does not end it. */
  #destroy(session: Session): void {
    this.#sessions.delete(session);
    session.http2.destroy();
    session.socket?.destroy();
  }
}

const lost = ({ http2 }: Session, why = 'connection lost'): ApnsAnswer => ({
  kind: 'unanswered',
  why,
  connected: !http2.connecting,
});

function settleAll({ attempts }: Session, answer: ApnsAnswer): void {
  for (const attempt of Array.from(attempts)) attempt.settle(answer);
}

/** Sends the request. Its outcome is read when its stream has closed, which it always does. */
function begin(session: Session, attempt: Attempt): void {
  if (session.http2.destroyed || session.http2.closed) {
    attempt.settle(lost(session, session.error));
    return;
  }
  const stream = session.http2.request({ [constants.HTTP2_HEADER_METHOD]: 'POST', ...attempt.headers });
  attempt.stream = stream;
  let headers: IncomingHttpHeaders | undefined;
  let body = '';
  let isWhole = false;
  let why: string | undefined;
  stream.setEncoding('utf8');
  stream.on('response', (received) => {
    headers = received;
  });
  stream.on('data', (chunk: string) => {
    if (body.length < MAX_ANSWER_CHARS) body += chunk;
  });
  stream.once('end', () => {
    isWhole = true;
  });
  stream.on('error', (error: NodeJS.ErrnoException) => {
    why ??= error.code === 'ERR_HTTP2_STREAM_ERROR' ? nameOf(stream.rstCode) : (codeOf(error.cause) ?? error.code);
  });
  stream.once('close', () => attempt.settle(answerOf(headers, body, isWhole) ?? lost(session, why)));
  stream.end(attempt.body);
}

/** A stream that ends with its session has the session's error as its cause. */
const codeOf = (cause: unknown): string | undefined => {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
};

/** By number, RFC 9113, section 7. */
const ERROR_NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
];

const nameOf = (code = 0): string => ERROR_NAMES[code] ?? `HTTP/2 error ${code}`;

const OK = 200;

/** Undefined where the answer was cut off before its reason. */
function answerOf(headers: IncomingHttpHeaders | undefined, body: string, isWhole: boolean): ApnsAnswer | undefined {
  const status = Number(headers?.[':status']);
  if (!headers || Number.isNaN(status)) return undefined;
  if (status === OK) return { kind: 'answered', status };
  const { reason, timestamp } = parseBody(body);
  if (reason === undefined && !isWhole) return undefined;
  const afterMs = parseRetryAfter(headers['retry-after'], Date.now());
  return {
    kind: 'answered',
    status,
    ...(reason !== undefined && { reason }),
    ...(timestamp !== undefined && { timestamp }),
    ...(afterMs !== undefined && { afterMs }),
  };
}

/** The reason is a single word: any other text could repeat the request. */
function parseBody(text: string): { reason?: string; timestamp?: number } {
  try {
    const { reason, timestamp } = JSON.parse(text) as { reason?: unknown; timestamp?: unknown };
    const at = Number(timestamp);
    return {
      ...(typeof reason === 'string' && /^[A-Za-z]{1,64}$/.test(reason) && { reason }),
      ...(timestamp !== undefined && Number.isSafeInteger(at) && { timestamp: at }),
    };
  } catch {
    // Neither JSON nor an object: only the status of the answer is known.
    return {};
  }
}
