import { Cron } from 'croner';
import { invalid } from '../../protocol/error-codes.js';
import type { ScheduleRecord } from '../ports/schedules.js';

/** What decides when a schedule is due. */
export type When = Pick<ScheduleRecord, 'at' | 'cron' | 'timeZone'>;

/** More due times are not counted. */
const MAX_COUNTED = 1000;
/** Epoch milliseconds of the year 9999: what a date can be written as. */
const LAST_MS = 253_402_300_799_999;

const CRON = /^(@[a-z]+|\S+(\s+\S+){4})$/;
const RULE = 'must be five fields within their ranges (minute, hour, day, month, weekday), or a name such as @daily';

/**
 * The first due time after `after`, in epoch milliseconds; undefined when there is none. A cron expression follows the
 * clocks of its time zone: with one hour and one minute it is due once a day, at the first time that exists where the
 * clocks skip its own, and at the first of two where they repeat it; otherwise skipped times do not come, and repeated
 * ones come twice (croner 11).
 */
export function nextDue({ at, cron, timeZone }: When, after: number): number | undefined {
  if (at !== undefined) return at > after ? at : undefined;
  if (cron === undefined) return undefined;
  const next = cronOf(cron, timeZone).nextRun(new Date(after))?.getTime();
  return next === undefined || next > LAST_MS ? undefined : next;
}

/** The due times from `first`, which is one, to `to`: at most 1,000, and then the count is a lower bound. */
export function dueUntil(when: When, first: number, to: number): { last: number; count: number } {
  let [last, count] = [first, 1];
  for (let next = nextDue(when, last); next !== undefined && next <= to && count < MAX_COUNTED; count += 1) {
    last = next;
    next = nextDue(when, last);
  }
  return { last, count };
}

/** Throws `INVALID_REQUEST` where this is no time, or one that never comes. Returns the first one. */
export function requireDue(when: When, after: number): number {
  const { cron } = when;
  if (cron !== undefined && !CRON.test(cron)) throw invalid('cron', RULE);
  const next = cron === undefined ? nextDue(when, after) : nextOfUnknown(when, after);
  if (next !== undefined) return next;
  if (cron === undefined) throw invalid('at', 'must be in the future');
  throw invalid('cron', 'must be an expression that comes true');
}

function nextOfUnknown(when: When, after: number): number | undefined {
  try {
    return nextDue(when, after);
  } catch {
    // The zone is known to be one, so what croner objects to is the expression.
    throw invalid('cron', RULE);
  }
}

const cronOf = (cron: string, timeZone: string | undefined): Cron =>
  new Cron(cron, { mode: '5-part', paused: true, ...(timeZone !== undefined && { timezone: timeZone }) });
