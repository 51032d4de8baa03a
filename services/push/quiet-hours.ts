import type { QuietHours } from '../../protocol/push-preferences.js';
import { addDays, type CalendarDay, calendarDayAt, instantOf, parseTimeOfDay } from './local-time.js';

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
