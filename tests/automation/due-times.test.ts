/** Cron expressions against a calendar that looks at each minute. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dueUntil, nextDue, requireDue } from '../../services/automation/due-times.js';
import { countOf } from '../support/counts.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Of all kinds: half hours and quarters, clocks that move by half an hour, at midnight, in Ramadan, and across a day. */
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'Europe/London',
  'Europe/Dublin',
  'America/New_York',
  'America/St_Johns',
  'America/Sao_Paulo',
  'America/Santiago',
  'America/Havana',
  'America/Los_Angeles',
  'Africa/Casablanca',
  'Africa/Cairo',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Asia/Beirut',
  'Asia/Tokyo',
  'Australia/Lord_Howe',
  'Australia/Adelaide',
  'Pacific/Auckland',
  'Pacific/Chatham',
];

/** The fast cut is the same each time. */
const chosen = countOf({ full: 1, fast: 0 }) === 0 ? { seed: 20 } : {};

interface Fields {
  minutes: number[];
  hours: number[];
  days: number[] | undefined;
  months: number[] | undefined;
  weekdays: number[] | undefined;
}

const listOf = (max: number, min = 0) => fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 3 });
const all = (count: number) => Array.from({ length: count }, (_, index) => index);
const fields: fc.Arbitrary<Fields> = fc.record({
  minutes: fc.oneof(listOf(59), fc.constant<number[]>([0, 15, 30, 45])),
  hours: fc.oneof(listOf(23), listOf(3), fc.constant(all(24))),
  days: fc.option(listOf(31, 1), { nil: undefined }),
  months: fc.option(listOf(12, 1), { nil: undefined }),
  weekdays: fc.option(listOf(6), { nil: undefined }),
});

const cronOf = ({ minutes, hours, days, months, weekdays }: Fields): string => {
  const star = (list: number[] | undefined, whole: number) => (!list || list.length === whole ? '*' : list.join(','));
  return [star(minutes, 60), star(hours, 24), star(days, 31), star(months, 12), star(weekdays, 7)].join(' ');
};

interface Local {
  minute: number;
  hour: number;
  day: number;
  month: number;
  weekday: number;
  text: string;
}

interface Window {
  from: number;
  to: number;
  /** Minute by minute. */
  locals: Local[];
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

const formats = new Map<string, Intl.DateTimeFormat>();

function localOf(at: number, timeZone: string): Local {
  const known = formats.get(timeZone);
  const format =
    known ??
    new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      weekday: 'short',
    });
  formats.set(timeZone, format);
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const number = (name: string) => Number(parts[name]);
  return {
    minute: number('minute'),
    hour: number('hour'),
    day: number('day'),
    month: number('month'),
    weekday: WEEKDAYS.indexOf(parts.weekday ?? ''),
    text: `${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}`,
  };
}

const isDay = ({ days, months, weekdays }: Fields, { day, month, weekday }: Local): boolean => {
  if (months && !months.includes(month)) return false;
  if (days && weekdays) return days.includes(day) || weekdays.includes(weekday);
  return (!days || days.includes(day)) && (!weekdays || weekdays.includes(weekday));
};

/** The local times of each minute of a window that begins before `at`, which is where clocks move. */
function windowAt(at: number, timeZone: string): Window {
  const from = at - (at % HOUR_MS) - 12 * HOUR_MS;
  const locals = Array.from({ length: 42 * 60 + 1 }, (_, minute) => localOf(from + minute * MINUTE_MS, timeZone));
  return { from, to: from + 42 * HOUR_MS, locals };
}

/** The due times of a window by looking at each minute. */
function lookAtEach(wanted: Fields, { from, locals }: Window): number[] {
  const isFixed = wanted.minutes.length === 1 && wanted.hours.length === 1;
  const seen = new Set<string>();
  return locals.flatMap((local, index) => {
    const before = locals[index - 1];
    const isTime = wanted.minutes.includes(local.minute) && wanted.hours.includes(local.hour) && isDay(wanted, local);
    const isRepeated = isFixed && seen.has(local.text);
    if (isTime) seen.add(local.text);
    const isDue = before && ((isTime && !isRepeated) || (isFixed && skipsOver(wanted, before, local)));
    return isDue ? [from + index * MINUTE_MS] : [];
  });
}

/** Whether the only time of the day was between two minutes that follow each other. */
function skipsOver(wanted: Fields, before: Local, after: Local): boolean {
  const minutesOf = ({ hour, minute }: Local) => hour * 60 + minute;
  const time = (wanted.hours[0] ?? 0) * 60 + (wanted.minutes[0] ?? 0);
  const isSameDay = before.day === after.day;
  if (isSameDay) return minutesOf(before) < time && time < minutesOf(after) && isDay(wanted, after);
  // At midnight the day begins later.
  return time < minutesOf(after) && isDay(wanted, after);
}

/** Where the clocks of the zone move in the year, to the day. */
function movesOf(timeZone: string, year: number): number[] {
  const offset = (at: number) => Date.parse(`${localOf(at, timeZone).text}Z`) - at;
  const days = Array.from({ length: 365 }, (_, day) => Date.UTC(year, 0, 1) + day * DAY_MS);
  return days.filter((at) => offset(at) !== offset(at + DAY_MS)).map((at) => moveIn(at, offset));
}

/** The hour of the move within the day that begins here. */
function moveIn(day: number, offset: (at: number) => number): number {
  const hours = Array.from({ length: 24 }, (_, hour) => day + hour * HOUR_MS);
  return hours.find((at) => offset(at) !== offset(at + HOUR_MS)) ?? day;
}

describe('a cron expression', () => {
  test.each(ZONES)('in %s is due when its calendar says so, also where clocks are moved', (timeZone) => {
    const windows = [Date.UTC(2026, 1, 27), ...movesOf(timeZone, 2026)].map((at) => windowAt(at, timeZone));
    fc.assert(
      fc.property(fields, fc.constantFrom(...windows), (wanted, window) => {
        const cron = cronOf(wanted);
        const due: number[] = [];
        for (let next = nextDue({ cron, timeZone }, window.from); next !== undefined && next <= window.to; ) {
          due.push(next);
          next = nextDue({ cron, timeZone }, next);
        }
        const iso = (times: number[]) => times.map((at) => new Date(at).toISOString());
        expect({ cron, due: iso(due) }).toEqual({ cron, due: iso(lookAtEach(wanted, window)) });
      }),
      { numRuns: countOf({ full: 500, fast: 15 }), ...chosen },
    );
  });

  test('is never due twice at one time, and only later', () => {
    fc.assert(
      fc.property(fields, fc.constantFrom(...ZONES), fc.integer({ min: 0, max: 4e12 }), (wanted, timeZone, after) => {
        const when = { cron: cronOf(wanted), timeZone };
        const first = nextDue(when, after);
        if (first === undefined) return;
        expect(first).toBeGreaterThan(after);
        expect(first % MINUTE_MS).toBe(0);
        expect(nextDue(when, first) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(first);
      }),
      { numRuns: countOf({ full: 10_000, fast: 100 }), ...chosen },
    );
  });

  test('is refused when it never comes true', () => {
    expect(() => requireDue({ cron: '0 0 31 2,4,6,9,11 *', timeZone: 'Asia/Tokyo' }, 0)).toThrow(/comes true/);
  });

  test('has the due times of a time that passed counted', () => {
    const when = { cron: '0 * * * *', timeZone: 'UTC' };
    expect(dueUntil(when, 0, DAY_MS)).toEqual({ last: DAY_MS, count: 25 });
  });
});
