/** One attempt to send a message to a webhook. What answers can be anything, so everything of it is bounded. */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { WebhookFailure } from '../../../protocol/webhooks.js';
import type { PushReach } from '../web/push-reach.js';

export interface WebhookSenderOptions {
  reach: PushReach;
  /** PEM: trusted instead of the system's certificates. */
  ca?: string | undefined;
  userAgent: string;
  /** For a whole attempt. Default: 15 s. */
  timeoutMs?: number | undefined;
}

export interface WebhookPost {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
}

export type WebhookAnswer =
  | { kind: 'answered'; status: number; retryAfter: string | undefined }
  /** `detail` is only for the log. */
  | { kind: 'failed'; failure: WebhookFailure; detail?: string }
  /** The sender was closed. */
  | { kind: 'closed' };

const ATTEMPT_MS = 15_000;
/** What is read of the body of an answer, so that its server ends in peace. */
const MAX_ANSWER_BYTES = 64 * 1024;
const ANSWER_MS = 2000;
const MAX_HEADER_BYTES = 16 * 1024;

/** Sends messages. Redirects are not followed: they could lead to an address that is not public. */
export class WebhookSender {
  readonly #options: WebhookSenderOptions;
  readonly #closing = new AbortController();

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
  }

  /** Never rejects. The head of the answer decides; its body is not looked at. */
  async post(message: WebhookPost): Promise<WebhookAnswer> {
    if (this.#closing.signal.aborted) return { kind: 'closed' };
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    const timer = setTimeout(abort, this.#options.timeoutMs ?? ATTEMPT_MS);
    this.#closing.signal.addEventListener('abort', abort);
    try {
      return await this.#send(message, attempt.signal);
    } catch (error) {
      if (this.#closing.signal.aborted) return { kind: 'closed' };
      if (attempt.signal.aborted) return { kind: 'failed', failure: 'timeout' };
      return failureOf(error);
    } finally {
      clearTimeout(timer);
      this.#closing.signal.removeEventListener('abort', abort);
    }
  }

  /** Ends the attempts that are under way. */
  close(): void {
    this.#closing.abort();
  }

  async #send({ url: text, headers, body }: WebhookPost, signal: AbortSignal): Promise<WebhookAnswer> {
    const { reach, ca, userAgent } = this.#options;
    const url = new URL(text);
    reach.requireLiteral(url);
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': userAgent,
        ...headers,
      },
      // A connection of its own: what a server leaves behind on one cannot be taken for the next answer.
      agent: false,
      lookup: reach.lookup,
      maxHeaderSize: MAX_HEADER_BYTES,
      ...(ca !== undefined && { ca }),
      signal,
    });
    request.end(body);
    const response = await headOf(request);
    readAway(request, response);
    return { kind: 'answered', status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] };
  }
}

function headOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // It stays: a connection can also break behind the head.
    request.on('error', reject);
    request.once('response', resolve);
    request.once('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new Error('an upgrade that was not asked for'));
    });
  });
}

function readAway(request: ClientRequest, response: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), ANSWER_MS).unref();
  let bytes = 0;
  response.on('error', () => {
    // The head has decided.
  });
  response.once('close', () => clearTimeout(timer));
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) request.destroy();
  });
}

const NOT_CONNECTED =
  /^(?:E(?:NOTFOUND|AI_AGAIN|CONNREFUSED|HOSTUNREACH|NETUNREACH|NETDOWN|ADDRNOTAVAIL|ACCES|PERM|TIMEDOUT)|EPROTO|ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

function failureOf(error: unknown): WebhookAnswer {
  const { code } = error as { code?: unknown };
  const detail = typeof code === 'string' ? code : 'no code';
  if (detail === 'PRIVATE_ADDRESS') return { kind: 'failed', failure: 'private_address', detail };
  return { kind: 'failed', failure: NOT_CONNECTED.test(detail) ? 'unreachable' : 'broken', detail };
}
