import { grantSchema, refreshSchema } from '../protocol/auth.js';
import { CompanionError, invalid } from '../protocol/error-codes.js';
import { parseJson } from '../protocol/json.js';
import { errorBodySchema } from '../protocol/rest.js';
import { type BackoffRange, backoffDelay } from './after-connection.js';
import { DEFAULT_TIMEOUT_MS } from './companion-client-options.js';
import { ConnectionError, MalformedFrameError } from './errors.js';
import { newRequestId } from './requests.js';
import { parseData } from './server-frame.js';

export type RenewalOutcome =
  | { kind: 'renewed'; token: string }
  /** The device is signed out: no other try can help. */
  | { kind: 'out' }
  | { kind: 'failed'; because: string };

export interface TokenRenewalOptions {
  renewToken: () => Promise<string>;
  backoff: BackoffRange;
  onToken: (token: string) => void;
  onFailure: (error: unknown) => void;
}

/** One renewal of the access token at a time, shared by all callers. */
export class TokenRenewal {
  readonly #options: TokenRenewalOptions;
  #underWay: Promise<RenewalOutcome> | undefined;
  /** The connection whose notice is being answered. */
  #noticed: object | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: TokenRenewalOptions) {
    this.#options = options;
  }

  /** Joins the renewal in progress, or starts one. Never rejects; settles when `renewToken` does. */
  renew(): Promise<RenewalOutcome> {
    this.#underWay ??= this.#renew().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  /**
   * The token of a connection expires soon. `replace` is called once with another one, unless the connection,
   * represented by any object, has ended by then; a further notice meanwhile shares the answer. A failed renewal is
   * tried again with growing pauses. When the device is signed out, the daemon closes the connection.
   */
  noticed(connection: object, replace: (token: string) => void): void {
    if (this.#noticed === connection) return;
    this.#noticed = connection;
    void this.#answer({ connection, replace, attempt: 1 });
  }

  /** The connection has ended: its notice no longer needs an answer. */
  disconnected(): void {
    clearTimeout(this.#retry);
    this.#noticed = undefined;
  }

  async #answer({ connection, replace, attempt }: Notice): Promise<void> {
    const outcome = await this.renew();
    if (this.#noticed !== connection) return;
    if (outcome.kind === 'failed') {
      const delayMs = backoffDelay({ attempt, ...this.#options.backoff });
      this.#retry = setTimeout(() => void this.#answer({ connection, replace, attempt: attempt + 1 }), delayMs);
      return;
    }
    this.#noticed = undefined;
    if (outcome.kind === 'renewed') replace(outcome.token);
  }

  async #renew(): Promise<RenewalOutcome> {
    const { renewToken, onToken, onFailure } = this.#options;
    try {
      const token = await renewToken();
      onToken(token);
      return { kind: 'renewed', token };
    } catch (error) {
      onFailure(error);
      if (error instanceof ConnectionError && error.reason === 'unauthorized') return { kind: 'out' };
      return { kind: 'failed', because: `The access token could not be renewed: ${String(error)}` };
    }
  }
}

interface Notice {
  connection: object;
  replace: (token: string) => void;
  attempt: number;
}

export interface TokenRenewerOptions {
  /** The daemon's address: `http`, `https`, or the client's `ws` and `wss`. The path is ignored. */
  url: string;
  /** The device's newest refresh token, 1 to 512 characters. */
  refreshToken: string;
  /**
   * Stores the input of the next renewal in place of the last one: a refresh token and the id of its request. A program
   * that stores both can be terminated at any moment and continue; with the token alone, one that is terminated between
   * the daemon's answer and `save` must be paired again.
   */
  save: (refreshToken: string, requestId: string) => Promise<void>;
  /** The id that `save` received with this refresh token, 1 to 128 characters; a new one by default. */
  requestId?: string;
  /** Milliseconds until a renewal without an answer times out; 30 s by default. The time of `save` does not count. */
  timeoutMs?: number;
}

interface Renewal {
  refreshToken: string;
  requestId: string;
}

/**
 * A `renewToken` for the client: exchanges the refresh token for a new pair, and resolves to the access token once
 * `save` has resolved. Calls share the renewal in progress. After a failure the next call repeats the same request, so
 * an answer that was lost, or could not be saved, is received again. No two programs can share a refresh token.
 *
 * Rejects with `ConnectionError` `unauthorized` when the daemon refuses the refresh token (401): the device must be
 * paired again. With `CompanionError` for another refusal of the daemon; with `MalformedFrameError` for an answer that
 * violates its schema; with the error of `fetch` when no answer arrived (an `AbortSignal`'s `TimeoutError` after
 * `timeoutMs`), also for a redirection, since the token is for the daemon alone; and with the error of `save`.
 *
 * Throws `CompanionError` `INVALID_REQUEST` for an invalid option. Requires `fetch`, as in Node and browsers; a page of
 * another origin needs `ALLOWED_ORIGINS`.
 */
export function createTokenRenewer(options: TokenRenewerOptions): () => Promise<string> {
  const { save, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const url = addressOf(options.url);
  let next = parseRenewal(options);
  const renew = async () => {
    const { accessToken, refreshToken } = await exchange({ url, renewal: next, timeoutMs });
    const following = { refreshToken, requestId: newRequestId() };
    await save(following.refreshToken, following.requestId);
    next = following;
    return accessToken;
  };
  let underWay: Promise<string> | undefined;
  return () => {
    underWay ??= renew().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

/**
 * The request id is random: if it could be derived from the token, a thief of the token would get the same answers as
 * its owner, and the daemon would never detect the second holder.
 */
function parseRenewal({ refreshToken, requestId = newRequestId() }: TokenRenewerOptions): Renewal {
  const parsed = refreshSchema.safeParse({ refreshToken, requestId });
  if (parsed.success) return { refreshToken, requestId };
  const [issue] = parsed.error.issues;
  throw invalid(String(issue?.path[0] ?? 'refreshToken'), issue?.message ?? 'is not valid');
}

function addressOf(url: string): string {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (!address || !/^(http|ws)s?:$/.test(address.protocol))
    throw invalid('url', 'must be an http, https, ws or wss URL');
  return new URL('/api/auth/refresh', address.href.replace(/^ws/, 'http')).href;
}

interface Exchange {
  url: string;
  renewal: Renewal;
  timeoutMs: number;
}

const answerSchema = grantSchema.pick({ accessToken: true, refreshToken: true });

async function exchange({ url, renewal, timeoutMs }: Exchange) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(renewal),
    redirect: 'error',
    credentials: 'omit',
    signal: AbortSignal.timeout(timeoutMs),
  });
  const body = parseJson(await response.text());
  if (!response.ok) throw refusalOf(response.status, body);
  const answer = parseData('refresh', answerSchema, body);
  if (answer instanceof MalformedFrameError) throw answer;
  return answer;
}

function refusalOf(status: number, body: unknown): Error {
  const { data } = errorBodySchema.safeParse(body);
  const message = data?.error.message ?? `The renewal was answered with ${status}.`;
  if (status === 401) return new ConnectionError('unauthorized', message);
  return data ? new CompanionError(data.error.code, message, data.error.details) : new Error(message);
}
