/** Periods and states of budgets. */
import type { BudgetPeriod, BudgetState } from '../../protocol/budgets.js';
import type { Usage } from '../../protocol/content.js';
import type { BudgetDays, BudgetRecord } from '../ports/budgets.js';

const DAY_MS = 86_400_000;
const DAYS_OF_WEEK = 7;
/** Before and after all days, as texts. */
const ALWAYS: BudgetDays = { from: '', to: '~', endsAt: undefined };

/** The day of a time, in UTC: `2026-11-30`. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 'yyyy-mm-dd'.length);

/** The period in which this time is. */
export function daysAt(period: BudgetPeriod, at: number): BudgetDays {
  if (period === 'always') return ALWAYS;
  const day = Math.floor(at / DAY_MS);
  // The first day of the epoch was a Thursday.
  const first = period === 'day' ? day : day - ((((day + 3) % DAYS_OF_WEEK) + DAYS_OF_WEEK) % DAYS_OF_WEEK);
  const next = first + (period === 'day' ? 1 : DAYS_OF_WEEK);
  return { from: dayOf(first * DAY_MS), to: dayOf((next - 1) * DAY_MS), endsAt: next * DAY_MS };
}

export const isWithin = (day: string, { from, to }: Pick<BudgetDays, 'from' | 'to'>): boolean =>
  from <= day && day <= to;

export function stateOf({ limit, warnAt }: Pick<BudgetRecord, 'limit' | 'warnAt'>, used: number): BudgetState {
  if (used >= limit) return 'exceeded';
  return used >= limit * warnAt ? 'warning' : 'ok';
}

/** The CLI's own words: a count can be missing, or no count. */
export const countOf = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? Math.max(0, value) : 0;

/** The tokens that count. Reading the cache does not, as in the API's own limits. */
export const tokensOf = (usage: Usage = {}): number =>
  countOf(usage.input_tokens) + countOf(usage.output_tokens) + countOf(usage.cache_creation_input_tokens);
