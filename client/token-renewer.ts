import { grantSchema, refreshSchema } from '../protocol/auth.js';
import { CompanionError, invalid } from '../protocol/error-codes.js';
import { parseJson } from '../protocol/parse-json.js';
import { errorBodySchema } from '../protocol/rest.js';
import { DEFAULT_TIMEOUT_MS } from './companion-client-options.js';
import { ConnectionError } from './connection-error.js';
import { MalformedFrameError } from './malformed-frame-error.js';
import { newRequestId } from './request-id.js';
import { parseData } from './server-frame.js';

export interface TokenRenewerOptions {
  /** Where the daemon is: `http`, `https`, or the `ws` and `wss` of the client. Of the path nothing is used. */
  url: string;
  /** The device's newest refresh token, 1 to 512 characters. */
  refreshToken: string;
  /**
   * Keeps what the next renewal takes, in the place of what was kept before: a refresh token and the id of the request
   * that it will go out with. Whoever keeps both may be ended at any moment and go on; with the token alone a program
   * that is ended between the daemon's answer and `save` has to be paired anew.
   */
  save: (refreshToken: string, requestId: string) => Promise<void>;
  /** The id that `save` was given with this refresh token, 1 to 128 characters; a new one unless told. */
  requestId?: string;
  /** Milliseconds until a renewal without an answer is given up; 30 s unless told. The time of `save` does not count. */
  timeoutMs?: number;
}

interface Renewal {
  refreshToken: string;
  requestId: string;
}

/**
 * A `renewToken` for the client: exchanges the refresh token for a new pair, and resolves to the access token once
 * `save` has resolved. Calls share the renewal that is under way. After a failure the next call repeats the same
 * request, so an answer that was lost, or could not be saved, is got again. No two programs may share a refresh token.
 *
 * Rejects with `ConnectionError` `unauthorized` when the daemon does not take the refresh token (401): the device is to
 * be paired anew. With `CompanionError` for another refusal of the daemon; with `MalformedFrameError` for an answer that
 * makes no sense; with what `fetch` rejects with when no answer came (an `AbortSignal`'s `TimeoutError` after
 * `timeoutMs`), also for a redirection, since the token is for the daemon alone; and with what `save` rejects with.
 *
 * Throws `CompanionError` `INVALID_REQUEST` for an option that cannot be. `fetch` has to be there, as in Node and
 * browsers; a page of another origin needs `ALLOWED_ORIGINS`.
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
 * The request id is random: one that could be worked out from the token would let a thief of the token get the same
 * answers as its owner, and the daemon never learn that there are two.
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
