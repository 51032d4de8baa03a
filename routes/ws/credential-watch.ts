export interface CredentialWatchOptions {
  /** Wall clock, epoch milliseconds: what a credential's end is told by. */
  now: () => number;
  /** A minute is left. `expiresAt`: epoch milliseconds. */
  onExpiring: (expiresAt: number) => void;
  onExpired: () => void;
}

/** So long before the end a client is asked for another token. */
const NOTICE_MS = 60_000;
/** A machine that was asleep, or whose clock was set, is found out about within this time. */
const LOOK_MS = 20_000;

/** Follows the credential of a connection to its end. */
export class CredentialWatch {
  readonly #options: CredentialWatchOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CredentialWatchOptions) {
    this.#options = options;
  }

  /** In place of the one before. Undefined: it does not expire. */
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
