import { type BackoffRange, backoffDelay } from './backoff.js';
import { ConnectionError } from './connection-error.js';

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
