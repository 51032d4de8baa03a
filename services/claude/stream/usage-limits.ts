/**
 * What the CLI reports about the usage limits of its account, and about the account. Seen with Claude Code 2.1.197 and
 * 2.1.332.
 */
import * as z from 'zod';
import type { CliFact } from '../../ports/claude.js';
import type { Account, LimitReading, LimitWindow } from '../../ports/records.js';
import type { CliRateLimit, CliSystem } from './cli-lines.js';
import { keyword, lenient, shownName } from './cli-lines.js';
import { limitNotice } from './notices.js';

const STATUS = { allowed: 'allowed', allowed_warning: 'warning', rejected: 'rejected' } as const;

const statusOf = (status: string | undefined) =>
  status !== undefined && Object.hasOwn(STATUS, status) ? STATUS[status as keyof typeof STATUS] : undefined;

/** The last second that the wire's notation of times has room for. */
const MAX_SECONDS = 253_402_300_799;

/** Epoch milliseconds. */
const timeOf = (seconds: number | undefined): number | undefined =>
  seconds === undefined || seconds > MAX_SECONDS ? undefined : Math.round(seconds * 1000);

/** The API reports more digits than a person needs: each would be a change. */
const shareOf = (used: number | undefined): number | undefined =>
  used === undefined ? undefined : Math.round(used * 100) / 100;

type Present<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

const present = <T extends object>(fields: T): Partial<Present<T>> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Present<T>>;

/**
 * A `rate_limit_event`. The CLI writes it when something in it has changed, after the answer of the API. 2.1.197 names
 * one window, and how much of it is used only near its limit; 2.1.332 adds `unifiedWindows` with all.
 */
export function limitFacts(message: CliRateLimit): CliFact[] {
  const { rate_limit_info: info } = message;
  const status = statusOf(info.status);
  const notice = limitNotice(message);
  if (status === undefined) return notice;
  const windows = Object.entries(info.unifiedWindows ?? {}).map(
    ([window, { utilization, resetsAt }]): LimitWindow => ({
      window,
      ...present({ utilization: shareOf(utilization), resetsAt: timeOf(resetsAt) }),
    }),
  );
  const window = info.rateLimitType;
  const utilization = shareOf(info.utilization) ?? windows.find((one) => one.window === window)?.utilization;
  const overage = overageOf(info);
  const limit: LimitReading = {
    status,
    ...present({ window, utilization, resetsAt: timeOf(info.resetsAt), overage }),
    ...(windows.length > 0 && { windows }),
  };
  return [{ kind: 'limit', limit }, ...notice];
}

function overageOf({
  isUsingOverage,
  overageStatus,
  overageResetsAt,
  overageDisabledReason: reason,
}: CliRateLimit['rate_limit_info']): LimitReading['overage'] {
  const status = statusOf(overageStatus);
  if (status === undefined && isUsingOverage !== true) return undefined;
  return { inUse: isUsingOverage ?? false, ...present({ status, resetsAt: timeOf(overageResetsAt), reason }) };
}

const TOO_MANY_REQUESTS = 429;

/** An `api_retry` whose cause is a limit: the only report for an API key, which has no windows. */
export function retryFacts({ error, error_status: status, retry_delay_ms: delayMs = 0 }: CliSystem): CliFact[] {
  return error === 'rate_limit' || status === TOO_MANY_REQUESTS ? [{ kind: 'refusedForNow', delayMs }] : [];
}

const windowSchema = z.object({
  utilization: lenient(z.number().nonnegative()),
  resets_at: lenient(z.string()),
});

/** Not a window: what is spent beyond the plan. */
const PAID_FOR = 'extra_usage';

const usageSchema = z.object({ rate_limits: z.record(z.string(), z.unknown()) });

/**
 * The windows in the answer to `get_usage`, whose shares are percentages; undefined where the account has none. Its
 * shape is experimental, so an entry of another shape loses only itself.
 */
export function parseUsageWindows(answer: unknown): LimitWindow[] | undefined {
  const { data } = usageSchema.safeParse(answer);
  if (!data) return undefined;
  return Object.entries(data.rate_limits).flatMap(([name, value]): LimitWindow[] => {
    const window = keyword.safeParse(name).data;
    const read = windowSchema.safeParse(value).data;
    if (window === undefined || window === PAID_FOR || read?.utilization === undefined) return [];
    const at = Date.parse(read.resets_at ?? '');
    return [{ window, ...present({ utilization: shareOf(read.utilization / 100) }), ...(at > 0 && { resetsAt: at }) }];
  });
}

const accountSchema = z.object({
  subscriptionType: lenient(shownName),
  tokenSource: lenient(z.string()),
  apiKeySource: lenient(z.string()),
  apiProvider: lenient(keyword),
});

/** Sources of a token that belongs to a subscription; others are keys under another name. */
const OF_SUBSCRIPTION = /oauth|claude\.ai/i;

/**
 * Who pays, by the `account` in the answer to `initialize`: never an address, a name or a credential. Undefined without
 * an account.
 */
export function readAccount(given: unknown): Account | undefined {
  const { data } = accountSchema.safeParse(given);
  if (!data) return undefined;
  const { subscriptionType: plan, tokenSource = 'none', apiKeySource = 'none', apiProvider = 'firstParty' } = data;
  if (apiProvider === 'gateway') return { kind: 'gateway' };
  if (apiProvider !== 'firstParty') return { kind: 'cloud', provider: apiProvider };
  if (plan !== undefined) return { kind: 'subscription', plan };
  if (OF_SUBSCRIPTION.test(tokenSource)) return { kind: 'subscription' };
  return apiKeySource === 'none' && tokenSource === 'none' ? undefined : { kind: 'apiKey' };
}
