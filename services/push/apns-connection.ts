/**
 * Requests to one of Apple's environments. Works around the client of `@parse/node-apn` 8.1, which mishandles failures:
 * a request whose session is dropped is never answered (it waits for `end` or `aborted`, and neither comes once the
 * request itself is written), `retry-after` is looked up in capitals and so never found, and a hung session is used for
 * the next request. So the outcome of a request is read from its HTTP/2 stream, which always closes; the client
 * provides sessions, tokens and headers.
 */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { constants } from 'node:http2';
import { parseRetryAfter } from './retry-after.js';

/** The client's request; `compile` gives the body. */
export interface CompiledNotification {
  id: string;
}

/** The used part of node-apn's `Provider`, with its client, which its types omit. */
export interface ApnsProvider {
  send(notification: CompiledNotification, token: string): Promise<{ failed: { error?: Error; code?: string }[] }>;
  client: {
    session?: ClientHttp2Session | undefined;
    connect(): Promise<void>;
    setLogger(log: () => void): void;
    closeAndDestroySession(session: ClientHttp2Session | undefined): Promise<void>;
    shutdown(): Promise<void>;
  };
}

/** Throws when node-apn's internals have changed: its client is not documented (8.1). */
export function requireClient(provider: object): ApnsProvider {
  if (hasClient(provider)) return provider;
  throw new Error('node-apn is another version than this was written for');
}

const CLIENT_METHODS = ['connect', 'setLogger', 'closeAndDestroySession', 'shutdown'];

function hasClient(provider: object): provider is ApnsProvider {
  const client: unknown = Reflect.get(provider, 'client');
  if (typeof client !== 'object' || client === null) return false;
  return CLIENT_METHODS.every((name) => typeof Reflect.get(client, name) === 'function');
}

/** The outcome of a request. */
export type ApnsAnswer =
  | { kind: 'answered'; status: number; reason?: string; timestamp?: number; afterMs?: number }
  /** An answer may have been lost. `connected`: Apple was reached. */
  | { kind: 'unanswered'; why: string; connected: boolean };

interface Attempt {
  settle: (answer: ApnsAnswer) => void;
  session?: ClientHttp2Session;
  stream?: ClientHttp2Stream;
}

export interface ApnsConnectionOptions {
  provider: ApnsProvider;
  /** A request that takes longer counts as unanswered, and its session is not used again. */
  timeoutMs: number;
}

/** Maximum answer body that is read; Apple's have less than a hundred bytes. */
const MAX_ANSWER_CHARS = 10_000;

export class ApnsConnection {
  readonly #provider: ApnsProvider;
  readonly #timeoutMs: number;
  readonly #attempts = new Map<string, Attempt>();
  /** With their sockets, once they have any. */
  readonly #sessions = new Map<ClientHttp2Session, { destroy(): void } | undefined>();
  #onIdle: (() => void) | undefined;
  #closed = false;

  constructor({ provider, timeoutMs }: ApnsConnectionOptions) {
    this.#provider = provider;
    this.#timeoutMs = timeoutMs;
    const { client } = provider;
    // The client would log to stdout, which is the daemon's.
    client.setLogger(() => {});
    // Called for the second 500 or GOAWAY of a session, it would end the requests in flight there, and after a 500 it
    // is called for whichever session is the newest. Node closes a session by itself after GOAWAY and errors.
    client.closeAndDestroySession = async () => {};
    const connect = client.connect.bind(client);
    client.connect = async () => {
      await connect();
      if (client.session) this.#adopt(client.session);
    };
  }

  /** Sends one request and answers once, at the latest after the time-out. Never rejects. */
  request(notification: CompiledNotification, token: string): Promise<ApnsAnswer> {
    if (this.#closed) return Promise.resolve({ kind: 'unanswered', why: 'closing', connected: true });
    return new Promise((resolve) => {
      const { id } = notification;
      const timer = setTimeout(() => this.#giveUp(id), this.#timeoutMs);
      const settle = (answer: ApnsAnswer) => {
        clearTimeout(timer);
        const attempt = this.#attempts.get(id);
        this.#attempts.delete(id);
        resolve(answer);
        this.#endWhenUnused(attempt?.session);
        if (this.#attempts.size === 0) this.#onIdle?.();
      };
      this.#attempts.set(id, { settle });
      void this.#send(notification, token);
    });
  }

  /** No further request uses the session; those in flight continue, and the provider token stays. */
  #retire(session: ClientHttp2Session | undefined): void {
    const { client } = this.#provider;
    if (session === client.session) client.session = undefined;
    this.#endWhenUnused(session);
  }

  /** Waits up to `graceMs` for requests in flight; the rest count as unanswered. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    if (this.#attempts.size > 0) await this.#idleWithin(graceMs);
    for (const attempt of this.#attempts.values())
      attempt.settle({ kind: 'unanswered', why: 'closing', connected: true });
    const { client } = this.#provider;
    // The client would wait for the close event of a destroyed session, which never comes.
    client.session = undefined;
    for (const session of this.#sessions.keys()) this.#destroy(session);
    await client.shutdown();
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

  /** The client's own answer is used only for requests that never became a stream. */
  async #send(notification: CompiledNotification, token: string): Promise<void> {
    const unsent = (why: string) => {
      const attempt = this.#attempts.get(notification.id);
      if (!attempt?.stream) attempt?.settle({ kind: 'unanswered', why, connected: false });
    };
    try {
      const [failure] = (await this.#provider.send(notification, token)).failed;
      unsent(failure?.code ?? 'no connection');
    } catch (error) {
      unsent((error as NodeJS.ErrnoException).code ?? 'no connection');
    }
  }

  #giveUp(id: string): void {
    const attempt = this.#attempts.get(id);
    this.#retire(attempt?.session ?? this.#provider.client.session);
    const connected = attempt?.session?.connecting === false;
    attempt?.settle({ kind: 'unanswered', why: `no answer within ${this.#timeoutMs} ms`, connected });
    attempt?.stream?.close(constants.NGHTTP2_CANCEL);
  }

  #adopt(session: ClientHttp2Session): void {
    if (this.#sessions.has(session)) return;
    this.#sessions.set(session, undefined);
    session.once('connect', (_session, socket) => this.#sessions.set(session, socket));
    session.once('close', () => this.#sessions.delete(session));
    session.once('goaway', () => this.#retire(session));
    const request = session.request.bind(session);
    session.request = (headers, options) => {
      const stream = request(headers, options);
      this.#watch(session, stream, headers as OutgoingHttpHeaders);
      return stream;
    };
  }

  #watch(session: ClientHttp2Session, stream: ClientHttp2Stream, sent: OutgoingHttpHeaders): void {
    const id = String(sent['apns-id']);
    const attempt = this.#attempts.get(id);
    if (!attempt) {
      // Its time ran out while the connection was made, so its outcome has no recipient.
      stream.close(constants.NGHTTP2_CANCEL);
      return;
    }
    Object.assign(attempt, { session, stream });
    let headers: IncomingHttpHeaders | undefined;
    let body = '';
    let isWhole = false;
    let why: string | undefined;
    stream.on('response', (received) => {
      headers = received;
    });
    stream.on('data', (chunk: string | Buffer) => {
      if (body.length < MAX_ANSWER_CHARS) body += chunk.toString();
    });
    stream.once('end', () => {
      isWhole = true;
    });
    stream.on('error', (error: NodeJS.ErrnoException) => {
      why ??= error.code === 'ERR_HTTP2_STREAM_ERROR' ? nameOf(stream.rstCode) : (codeOf(error.cause) ?? error.code);
    });
    stream.once('close', () => {
      const connected = !session.connecting;
      const answer = answerOf(headers, body, isWhole);
      attempt.settle(answer ?? { kind: 'unanswered', why: why ?? 'connection lost', connected });
    });
  }

  /** A session that the client no longer uses ends with its last request; a hung peer would keep it open. */
  #endWhenUnused(session: ClientHttp2Session | undefined): void {
    if (!session || session === this.#provider.client.session) return;
    for (const attempt of this.#attempts.values()) if (attempt.session === session) return;
    // Runs after the other handlers of the last stream.
    setImmediate(() => this.#destroy(session));
  }

  /** A gracefully closed session waits for its peer to close the socket, and a second close does not end it. */
  #destroy(session: ClientHttp2Session): void {
    const socket = this.#sessions.get(session);
    session.destroy();
    socket?.destroy();
  }
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
