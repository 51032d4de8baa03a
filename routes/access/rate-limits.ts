import { setTimeout as delay } from 'node:timers/promises';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { CompanionError } from '../../protocol/error-codes.js';

/** How much of each kind passes within its time. */
export interface LimitSettings {
  /** Wrong credentials, in 15 minutes, of one address and kind. */
  failed: number;
  /** In a minute, of one person. */
  prompts: number;
  files: number;
  reads: number;
  frames: number;
  /** In an hour, of one person. */
  sessions: number;
  /** At once, of one person. */
  connections: number;
}

/** What is counted. */
export type Limited = 'prompts' | 'files' | 'reads' | 'frames' | 'sessions';

/** What a credential was tried for. */
export type Tried = 'bearer' | 'ticket' | 'pairing' | 'login' | 'refresh' | 'action';

/** How much is left. */
export interface Allowance {
  limit: number;
  remaining: number;
  resetMs: number;
}

/** Too much of something. `consumed` counts what was refused as well. */
export class RateLimitError extends CompanionError {
  readonly allowance: Allowance & { consumed: number };

  constructor(message: string, allowance: Allowance & { consumed: number }) {
    super('RATE_LIMITED', message, { retryAfterMs: Math.max(1, Math.ceil(allowance.resetMs)) });
    this.allowance = allowance;
  }
}

const SECOND_MS = 1000;
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
const FAILED_S = 15 * MINUTE_S;
/** Who goes on after that is kept out for twice as long each time. */
const MAX_BLOCK_S = DAY_S;
/** The last wrong credential that is looked at is answered after so long; those before it sooner, the first nearly at once. */
const MAX_DELAY_MS = 1000;

/** So many addresses are told at once that they are out. */
const MAX_OUT = 10_000;

const SECONDS: Record<Limited, number> = {
  prompts: MINUTE_S,
  files: MINUTE_S,
  reads: MINUTE_S,
  frames: MINUTE_S,
  sessions: HOUR_S,
};

/** A credential that is being looked at. */
export interface Attempt {
  wasRight(): Promise<void>;
  /** Takes its time. Resolves to whether no more are looked at. */
  wasWrong(): Promise<boolean>;
}

/** Counts what people and strangers do; in memory, for one daemon serves all. */
export class RateLimits {
  readonly settings: LimitSettings;
  readonly #limiters: Record<Limited, RateLimiterMemory>;
  readonly #failed: RateLimiterMemory;
  readonly #strikes = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: DAY_S });

  /** Until when those are refused who have failed too often, by the monotonic clock. */
  readonly #out = new Map<string, number>();

  constructor(settings: LimitSettings) {
    this.settings = settings;
    const limiter = (kind: Limited) => new RateLimiterMemory({ points: settings[kind], duration: SECONDS[kind] });
    this.#limiters = {
      prompts: limiter('prompts'),
      files: limiter('files'),
      reads: limiter('reads'),
      frames: limiter('frames'),
      sessions: limiter('sessions'),
    };
    this.#failed = new RateLimiterMemory({ points: settings.failed, duration: FAILED_S });
  }

  /** Counts one more of `who`, a person or an address. Rejects with `RateLimitError`. */
  async take(kind: Limited, who: string): Promise<Allowance> {
    const limit = this.settings[kind];
    const counted = await consume(this.#limiters[kind], who);
    const allowance = { limit, remaining: counted.remainingPoints, resetMs: counted.msBeforeNext };
    if (counted.consumedPoints <= limit) return allowance;
    const message = `At most ${limit} ${kind} are taken within ${SECONDS[kind]} s.`;
    throw new RateLimitError(message, { ...allowance, consumed: counted.consumedPoints });
  }

  get keepsAnybodyOut(): boolean {
    return this.#out.size > 0;
  }

  /** What somebody is refused with who has failed too often; undefined for anybody else. Counts nothing. */
  keptOut(kind: Tried, who: string): RateLimitError | undefined {
    const key = keyOf(kind, who);
    const resetMs = (this.#out.get(key) ?? 0) - performance.now();
    if (resetMs > 0) return this.#tooManyFailed(key, resetMs, this.settings.failed + 1);
    this.#out.delete(key);
    return undefined;
  }

  /**
   * Counts a credential before it is looked at, so that those under way count as well. Rejects with `RateLimitError` when
   * there were too many wrong ones. The caller says how it went.
   */
  async begin(kind: Tried, who: string): Promise<Attempt> {
    const key = keyOf(kind, who);
    const counted = await consume(this.#failed, key);
    if (counted.consumedPoints > this.settings.failed) {
      throw this.#tooManyFailed(key, counted.msBeforeNext, counted.consumedPoints);
    }
    return {
      wasRight: async () => void (await this.#failed.reward(key)),
      wasWrong: () => this.#wasWrong(key, counted.consumedPoints),
    };
  }

  /** Counts a wrong credential, and takes its time. Resolves to whether it was the last one; rejects with `RateLimitError` after that. */
  async failed(kind: Tried, who: string): Promise<boolean> {
    const attempt = await this.begin(kind, who);
    return attempt.wasWrong();
  }

  async #wasWrong(key: string, count: number): Promise<boolean> {
    const { failed } = this.settings;
    const isLast = count >= failed;
    if (isLast) await this.#refuseBlockedClients(key);
    await delay(MAX_DELAY_MS * (count / failed) ** 2, undefined, { ref: false });
    return isLast;
  }

  /** From now on, and the longer the more often it has come to this. */
  async #refuseBlockedClients(key: string): Promise<void> {
    const { consumedPoints: strikes } = await this.#strikes.consume(key);
    const seconds = Math.min(MAX_BLOCK_S, FAILED_S * 2 ** (strikes - 1));
    await this.#failed.block(key, seconds);
    this.#isOut(key, seconds * SECOND_MS);
  }

  #tooManyFailed(key: string, resetMs: number, consumed: number): RateLimitError {
    this.#isOut(key, resetMs);
    const limit = this.settings.failed;
    return new RateLimitError('Too many wrong credentials came from this address.', {
      limit,
      remaining: 0,
      resetMs,
      consumed,
    });
  }

  #isOut(key: string, resetMs: number): void {
    this.#out.set(key, performance.now() + resetMs);
    if (this.#out.size > MAX_OUT) this.#forgetOne();
  }

  /** The counts themselves stay: it is only no longer told at once. */
  #forgetOne(): void {
    const [oldest] = this.#out.keys();
    if (oldest !== undefined) this.#out.delete(oldest);
  }
}

/** Resolves also when it was too much. */
async function consume(limiter: RateLimiterMemory, key: string): Promise<RateLimiterRes> {
  try {
    return await limiter.consume(key);
  } catch (refused) {
    if (refused instanceof RateLimiterRes) return refused;
    throw refused;
  }
}

const keyOf = (kind: Tried, who: string): string => `${kind} ${who}`;
