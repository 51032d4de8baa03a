/** Local times of day, by Node's time zone database. */

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** A calendar day, as the epoch milliseconds of its midnight in UTC. */
export type CalendarDay = number & { readonly __brand: 'CalendarDay' };

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

export const calendarDayAt = (timeZone: string, at: number): CalendarDay =>
  (Math.floor(clockAt(timeZone, at) / DAY_MS) * DAY_MS) as CalendarDay;

export const addDays = (day: CalendarDay, days: number): CalendarDay => (day + days * DAY_MS) as CalendarDay;

/** Minutes since midnight. */
export const parseTimeOfDay = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));

/**
 * The first moment on this day at which the clock shows this time, in epoch milliseconds. Where the clock is put
 * forward over it, the moment of that change: from then on the clock shows a later time.
 */
export function instantOf(timeZone: string, day: CalendarDay, minutes: number): number {
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
