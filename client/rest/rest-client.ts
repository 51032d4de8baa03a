import { followEvents } from './follow-events.js';
import type { Call, RestClient } from './operation.js';
import { errorIn, RestError } from './rest-error.js';
import { pauseBefore } from './retries.js';
import { waitFor } from './wait-for.js';

export interface RestClientOptions {
  /** The daemon's address: `https://companion.example.org`. */
  url: string;
  /** The credential: a key, or the token of a device. With `renewToken` it is optional. */
  token?: string;
  /** Resolves to another access token (see `createTokenRenewer`); called when the daemon has refused the present one. */
  renewToken?: () => Promise<string>;
  /** How often a request is sent again, where that cannot do something twice; 2 by default. */
  retries?: number;
  /**
   * Milliseconds until JSON must be there, and any other answer have begun; 30 s by default, and as much more as the
   * request itself waits.
   */
  timeoutMs?: number;
  /** Instead of the platform's `fetch`. */
  fetch?: typeof fetch;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_RETRIES = 2;
/** As long as `wait=true` waits unless it says otherwise. */
const WAIT_MS = 300_000;
const UNAUTHORIZED = 401;

/** What the operations are called on. Throws a `TypeError` for an address that is not `http` or `https`. */
export function createRestClient(options: RestClientOptions): RestClient {
  if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url)) {
    throw new TypeError('url must be an http or https URL');
  }
  const requests = new Requests(options);
  return {
    send: (call) => requests.send(call),
    follow: (call) => followEvents({ call, open: (asked) => requests.open(asked), retries: requests.retries }),
  };
}

class Requests {
  readonly #options: RestClientOptions;
  readonly #base: string;
  readonly retries: number;
  #token: string | undefined;
  #renewal: Promise<string> | undefined;

  constructor(options: RestClientOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, '');
    this.#token = options.token;
    this.retries = options.retries ?? DEFAULT_RETRIES;
  }

  /** Rejects with the signal's reason, a `RestError`, or what `fetch` rejects with. */
  async send(call: Call): Promise<unknown> {
    const keyed = withKey(call);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await this.open(keyed);
        return isJson(response) ? await response.json() : response;
      } catch (failure) {
        await this.#pause(attempt, keyed, failure);
      }
    }
  }

  /** Resolves when it may be sent again; rejects with the failure when not. */
  async #pause(attempt: number, call: Call, failure: unknown): Promise<void> {
    const { signal } = call.input;
    const pause = signal?.aborted || attempt > this.retries ? undefined : pauseBefore(attempt, call, failure);
    if (pause === undefined) throw failure;
    await waitFor(pause, signal);
  }

  /** One request, and another one with a renewed token. Resolves with an answer that is no error. */
  async open(call: Call): Promise<Response> {
    if (this.#token === undefined && this.#options.renewToken) await this.#renew();
    const used = this.#token;
    let response = await this.#fetch(call);
    if (response.status === UNAUTHORIZED && this.#options.renewToken) {
      await response.body?.cancel();
      // Another request may have renewed it since.
      if (this.#token === used) await this.#renew();
      response = await this.#fetch(call);
    }
    if (!response.ok) throw await errorIn(response);
    return response;
  }

  async #renew(): Promise<void> {
    this.#renewal ??= Promise.resolve(this.#options.renewToken?.() ?? '').finally(() => {
      this.#renewal = undefined;
    });
    this.#token = await this.#renewal;
  }

  async #fetch(call: Call): Promise<Response> {
    const { signal } = call.input;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new RestError(TIMED_OUT)), this.#timeoutOf(call));
    try {
      const signals = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
      const { fetch: send = fetch } = this.#options;
      const response = await send(`${this.#base}${call.path}`, { ...requestOf(call, this.#token), signal: signals });
      // The network can go between the head of an answer and its end as well.
      return isJson(response) ? new Response(await response.arrayBuffer(), response) : response;
    } finally {
      clearTimeout(timer);
    }
  }

  #timeoutOf({ input }: Call): number {
    const { timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS, query } = input;
    const waits = query?.wait === 'true' ? Number(query.timeout ?? WAIT_MS) : 0;
    return timeoutMs + waits;
  }
}

const TIMED_OUT = { status: 504, message: 'The daemon has not answered in time.' };

/** Under one key, a `POST` that is sent again is the same request. */
function withKey(call: Call): Call {
  const { method, input } = call;
  if (method !== 'POST' || input.idempotencyKey !== undefined) return call;
  return { ...call, input: { ...input, idempotencyKey: crypto.randomUUID() } };
}

const isJson = ({ headers }: Response): boolean => headers.get('content-type')?.startsWith('application/json') ?? false;

function requestOf({ method, input, headers }: Call, token: string | undefined): RequestInit {
  const { body, bytes, idempotencyKey, ifMatch } = input;
  const hasJson = bytes === undefined && body !== undefined;
  return {
    method,
    headers: {
      ...headers,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(hasJson && { 'content-type': 'application/json' }),
      ...(bytes !== undefined && { 'content-type': 'application/octet-stream' }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    },
    ...(hasJson && { body: JSON.stringify(body) }),
    // The platform's type excludes bytes that are shared between threads, which it takes.
    ...(bytes !== undefined && { body: bytes as NonNullable<RequestInit['body']> }),
  };
}
