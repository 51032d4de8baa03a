export interface CredentialWatchOptions {
  /** Wall clock, epoch milliseconds, by which a credential's expiry is measured. */
  now: () => number;
  /** A minute is left. `expiresAt`: epoch milliseconds. */
  onExpiring: (expiresAt: number) => void;
  onExpired: () => void;
}

/** How long before the expiry a client is asked for another token. */
const NOTICE_MS = 60_000;
/** The wake-up of a sleeping machine, or a clock change, is noticed within this time. */
const LOOK_MS = 20_000;

/** Follows the credential of a connection until it expires. */
export class CredentialWatch {
  readonly #options: CredentialWatchOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CredentialWatchOptions) {
    this.#options = options;
  }

  /** Replaces the previous expiry. Undefined: it does not expire. */
  follow(expiresAt: number | undefined): void {
    clearTimeout(this.#timer);
    if (expiresAt === undefined) return;
    this.#at(expiresAt - NOTICE_MS, () => {
      this.#options.onExpiring(expiresAt);
      this.#at(expiresAt, this.#options.onExpired);
    });
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #at(time: number, then: () => void): void {
    const ms = time - this.#options.now();
    if (ms <= 0) then();
    else this.#timer = setTimeout(() => this.#at(time, then), Math.min(ms, LOOK_MS)).unref();
  }
}
