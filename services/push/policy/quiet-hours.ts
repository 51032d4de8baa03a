/** Quiet hours as periods between two readings of a local clock, by Node's time zone database. */
import type { QuietHours } from '../../../protocol/push-preferences.js';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** A calendar day, as the epoch milliseconds of its midnight in UTC. */
type CalendarDay = number & { readonly __brand: 'CalendarDay' };

/** Creating a format costs more than using it a hundred times. Bounded, since the name of a zone has many spellings. */
const formats = new Map<string, Intl.DateTimeFormat>();
const MAX_FORMATS = 200;

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  if (formats.size >= MAX_FORMATS) formats.clear();
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(timeZone, format);
  return format;
}

/** The local clock's reading at this moment, interpreted as UTC. Whole seconds. */
function clockAt(timeZone: string, at: number): number {
  const parts = new Map(
    formatOf(timeZone)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
}

/** The clock's offset from UTC. */
const offsetAt = (timeZone: string, at: number): number => clockAt(timeZone, at) - Math.floor(at / 1000) * 1000;

const calendarDayAt = (timeZone: string, at: number): CalendarDay =>
  (Math.floor(clockAt(timeZone, at) / DAY_MS) * DAY_MS) as CalendarDay;

const addDays = (day: CalendarDay, days: number): CalendarDay => (day + days * DAY_MS) as CalendarDay;

/** Minutes since midnight. */
const parseTimeOfDay = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));

/**
 * The first moment on this day at which the clock shows this time, in epoch milliseconds. Where the clock is put
 * forward over it, the moment of that change: from then on the clock shows a later time.
 */
function instantOf(timeZone: string, day: CalendarDay, minutes: number): number {
  const clock = day + minutes * MINUTE_MS;
  const before = offsetAt(timeZone, clock - 1.5 * DAY_MS);
  const after = offsetAt(timeZone, clock + 1.5 * DAY_MS);
  const found = [before, after].map((offset) => clock - offset).filter((at) => clockAt(timeZone, at) === clock);
  if (found.length > 0) return Math.min(...found);
  return changeBetween(timeZone, clock - Math.max(before, after), clock - Math.min(before, after));
}

/** The moment of the only clock change between two others. */
function changeBetween(timeZone: string, from: number, to: number): number {
  const offset = offsetAt(timeZone, from);
  let [still, changed] = [from, to];
  while (changed - still > 1) {
    const middle = Math.floor((still + changed) / 2);
    if (offsetAt(timeZone, middle) === offset) still = middle;
    else changed = middle;
  }
  return changed;
}

/** When the current quiet hours end, in epoch milliseconds; undefined outside quiet hours. */
export function quietUntil(quiet: QuietHours, at: number): number | undefined {
  return dayOf(quiet, at).periods.find(({ since, until }) => since <= at && at < until)?.until;
}

interface Period {
  since: number;
  until: number;
}

/** A local day, with the quiet hours that overlap it. */
interface Day extends Period {
  periods: Period[];
}

/** A calendar query costs half a millisecond, and is needed for each push: the result is kept for a day. */
const days = new Map<string, Day>();
const MAX_DAYS = 1000;

function dayOf(quiet: QuietHours, at: number): Day {
  const key = `${quiet.from} ${quiet.to} ${quiet.timeZone}`;
  const known = days.get(key);
  if (known && known.since <= at && at < known.until) return known;
  if (days.size >= MAX_DAYS) days.clear();
  const today = calendarDayAt(quiet.timeZone, at);
  const day = {
    since: instantOf(quiet.timeZone, today, 0),
    until: instantOf(quiet.timeZone, addDays(today, 1), 0),
    // Includes later days: a clock that is put back over midnight shows the previous day again.
    periods: joined([-1, 0, 1, 2].map((offset) => periodOf(quiet, addDays(today, offset)))),
  };
  days.set(key, day);
  return day;
}

function periodOf({ from, to, timeZone }: QuietHours, day: CalendarDay): Period {
  const [begin, end] = [parseTimeOfDay(from), parseTimeOfDay(to)];
  const since = instantOf(timeZone, day, begin);
  return { since, until: instantOf(timeZone, end < begin ? addDays(day, 1) : day, end) };
}

/** A calendar that skips a day joins two nights. */
function joined(periods: readonly Period[]): Period[] {
  const all: Period[] = [];
  for (const period of periods) {
    const last = all.at(-1);
    if (last && period.since <= last.until) last.until = Math.max(last.until, period.until);
    else if (period.since < period.until) all.push({ ...period });
  }
  return all;
}
