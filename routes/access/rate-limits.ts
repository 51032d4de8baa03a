import { setTimeout as delay } from 'node:timers/promises';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { CompanionError } from '../../protocol/error-codes.js';
import type { KeyLimits } from '../../protocol/keys.js';

/** The limit of each kind in its period. */
export interface LimitSettings {
  /** Wrong credentials per 15 minutes, address and kind. */
  failed: number;
  /** Per minute and person. */
  prompts: number;
  files: number;
  reads: number;
  frames: number;
  /** Per hour and person. */
  sessions: number;
  /** Concurrent, per person. */
  connections: number;
}

/** Whose action it is. A key has limits of its own beside those of its person. */
export interface Actor {
  userId: string;
  key?: { keyId: string; limits?: KeyLimits };
}

/** The counted actions. */
export type Limited = 'prompts' | 'files' | 'reads' | 'frames' | 'sessions';

/** The purpose of a tried credential. */
export type Tried = 'bearer' | 'ticket' | 'pairing' | 'login' | 'refresh' | 'action';

/** The remaining allowance. */
export interface Allowance {
  limit: number;
  remaining: number;
  resetMs: number;
}

/** A limit was exceeded. `consumed` includes refused requests. */
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
/** Further attempts double the block each time, up to this. */
const MAX_BLOCK_S = DAY_S;
/**
 * The delay of the answer to the last checked wrong credential; earlier ones are answered sooner, the first nearly at
 * once.
 */
const MAX_DELAY_MS = 1000;

/** Number of addresses that are refused immediately. */
const MAX_REFUSED = 10_000;

const SECONDS: Record<Limited, number> = {
  prompts: MINUTE_S,
  files: MINUTE_S,
  reads: MINUTE_S,
  frames: MINUTE_S,
  sessions: HOUR_S,
};

/** A credential that is being checked. */
export interface Attempt {
  wasRight(): Promise<void>;
  /** Waits for the delay. Resolves to whether it was the last one checked. */
  wasWrong(): Promise<boolean>;
}

/** Counts actions of people and unknown clients; in memory, since one daemon serves all. */
export class RateLimits {
  readonly settings: LimitSettings;
  readonly #limiters: Record<Limited, RateLimiterMemory>;
  /** Each key has its own limit, so these only count. */
  readonly #ofKeys: Record<Limited, RateLimiterMemory>;
  readonly #failed: RateLimiterMemory;
  readonly #strikes = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: DAY_S });

  /** When the block of each client ends, by the monotonic clock. */
  readonly #blockedUntil = new Map<string, number>();

  constructor(settings: LimitSettings) {
    this.settings = settings;
    this.#limiters = limitersOf((kind) => settings[kind]);
    this.#ofKeys = limitersOf(() => Number.MAX_SAFE_INTEGER);
    this.#failed = new RateLimiterMemory({ points: settings.failed, duration: FAILED_S });
  }

  /** Counts one action of `who`, a person or an address. Rejects with `RateLimitError`. */
  async take(kind: Limited, who: string): Promise<Allowance> {
    const limit = this.settings[kind];
    const counted = await consume(this.#limiters[kind], who);
    const allowance = { limit, remaining: counted.remainingPoints, resetMs: counted.msBeforeNext };
    if (counted.consumedPoints <= limit) return allowance;
    const message = `At most ${limit} ${kind} are accepted within ${SECONDS[kind]} s.`;
    throw new RateLimitError(message, { ...allowance, consumed: counted.consumedPoints });
  }

  /** Counts one action of a person, and of the key that it was done with. Rejects with `RateLimitError`. */
  async takeOf(kind: Exclude<Limited, 'sessions'>, { userId, key }: Actor): Promise<Allowance> {
    const limit = key?.limits?.[kind];
    if (!key || limit === undefined) return this.take(kind, userId);
    const counted = await consume(this.#ofKeys[kind], key.keyId);
    const { consumedPoints: consumed, msBeforeNext: resetMs } = counted;
    const own = { limit, remaining: Math.max(0, limit - consumed), resetMs };
    if (consumed > limit) {
      const message = `At most ${limit} ${kind} of this key are accepted within ${SECONDS[kind]} s.`;
      throw new RateLimitError(message, { ...own, consumed });
    }
    const ofPerson = await this.take(kind, userId);
    return ofPerson.remaining < own.remaining ? ofPerson : own;
  }

  get hasBlockedClients(): boolean {
    return this.#blockedUntil.size > 0;
  }

  /** The refusal of a blocked client; undefined for others. Counts nothing. */
  refusalOf(kind: Tried, who: string): RateLimitError | undefined {
    const key = keyOf(kind, who);
    const resetMs = (this.#blockedUntil.get(key) ?? 0) - performance.now();
    if (resetMs > 0) return this.#tooManyFailed(key, resetMs, this.settings.failed + 1);
    this.#blockedUntil.delete(key);
    return undefined;
  }

  /**
   * Counts a credential before its check, so that concurrent ones count as well. Rejects with `RateLimitError` after
   * too many wrong ones. The caller reports the result.
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

  /**
   * Counts a wrong credential, and waits for its delay. Resolves to whether it was the last one; rejects with
   * `RateLimitError` after that.
   */
  async failed(kind: Tried, who: string): Promise<boolean> {
    const attempt = await this.begin(kind, who);
    return attempt.wasWrong();
  }

  async #wasWrong(key: string, count: number): Promise<boolean> {
    const { failed } = this.settings;
    const isLast = count >= failed;
    if (isLast) await this.#block(key);
    await delay(MAX_DELAY_MS * (count / failed) ** 2, undefined, { ref: false });
    return isLast;
  }

  /** Starts a block that is longer after each earlier one. */
  async #block(key: string): Promise<void> {
    const { consumedPoints: strikes } = await this.#strikes.consume(key);
    const seconds = Math.min(MAX_BLOCK_S, FAILED_S * 2 ** (strikes - 1));
    await this.#failed.block(key, seconds);
    this.#refuseUntil(key, seconds * SECOND_MS);
  }

  #tooManyFailed(key: string, resetMs: number, consumed: number): RateLimitError {
    this.#refuseUntil(key, resetMs);
    const limit = this.settings.failed;
    return new RateLimitError('Too many wrong credentials came from this address.', {
      limit,
      remaining: 0,
      resetMs,
      consumed,
    });
  }

  #refuseUntil(key: string, resetMs: number): void {
    this.#blockedUntil.set(key, performance.now() + resetMs);
    if (this.#blockedUntil.size > MAX_REFUSED) this.#forgetOldest();
  }

  /** The counts remain: only the immediate refusal ends. */
  #forgetOldest(): void {
    const [oldest] = this.#blockedUntil.keys();
    if (oldest !== undefined) this.#blockedUntil.delete(oldest);
  }
}

function limitersOf(pointsOf: (kind: Limited) => number): Record<Limited, RateLimiterMemory> {
  const limiter = (kind: Limited) => new RateLimiterMemory({ points: pointsOf(kind), duration: SECONDS[kind] });
  return {
    prompts: limiter('prompts'),
    files: limiter('files'),
    reads: limiter('reads'),
    frames: limiter('frames'),
    sessions: limiter('sessions'),
  };
}

/** Also resolves when the limit was exceeded. */
async function consume(limiter: RateLimiterMemory, key: string): Promise<RateLimiterRes> {
  try {
    return await limiter.consume(key);
  } catch (refused) {
    if (refused instanceof RateLimiterRes) return refused;
    throw refused;
  }
}

const keyOf = (kind: Tried, who: string): string => `${kind} ${who}`;
