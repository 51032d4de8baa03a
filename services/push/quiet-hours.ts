import type { QuietHours } from '../../protocol/push-preferences.js';
import { addDays, calendarDayAt, instantOf, parseTimeOfDay } from './local-time.js';

/** When the quiet hours end that there are at this moment, in epoch milliseconds; undefined when there are none. */
export function quietUntil({ from, to, timeZone }: QuietHours, at: number): number | undefined {
  const [begin, end] = [parseTimeOfDay(from), parseTimeOfDay(to)];
  const today = calendarDayAt(timeZone, at);
  // Of the next day too: a clock that is put back over midnight shows the day before once more.
  for (const days of [-1, 0, 1]) {
    const day = addDays(today, days);
    const since = instantOf(timeZone, day, begin);
    const until = instantOf(timeZone, end < begin ? addDays(day, 1) : day, end);
    if (since <= at && at < until) return until;
  }
  return undefined;
}
