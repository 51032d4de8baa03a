import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { QuietHours } from '../../protocol/push-preferences.js';
import { quietUntil } from '../../services/push/policy/quiet-hours.js';
import { countOf } from '../support/counts.js';

const hours = (from: string, to: string, timeZone: string): QuietHours => ({ from, to, timeZone });
const until = (quiet: QuietHours, at: string): string | undefined => {
  const end = quietUntil(quiet, Date.parse(at));
  return end === undefined ? undefined : new Date(end).toISOString().replace('.000Z', 'Z');
};

const BERLIN = 'Europe/Berlin';
const NIGHT = hours('22:00', '07:00', BERLIN);
const NOON = hours('12:00', '13:30', BERLIN);

describe('quiet hours', () => {
  test.each([
    // Winter: Berlin is an hour ahead.
    [NIGHT, '2026-11-20T20:59:59Z', undefined],
    [NIGHT, '2026-11-20T21:00:00Z', '2026-11-21T06:00:00Z'],
    [NIGHT, '2026-11-20T23:30:00Z', '2026-11-21T06:00:00Z'],
    [NIGHT, '2026-11-21T05:59:59.999Z', '2026-11-21T06:00:00Z'],
    [NIGHT, '2026-11-21T06:00:00Z', undefined],
    [NIGHT, '2026-12-31T22:59:59Z', '2027-01-01T06:00:00Z'],
    // Summer: two hours.
    [NIGHT, '2026-07-01T19:59:59Z', undefined],
    [NIGHT, '2026-07-01T20:00:00Z', '2026-07-02T05:00:00Z'],
    [NOON, '2026-07-01T10:00:00Z', '2026-07-01T11:30:00Z'],
    [NOON, '2026-07-01T11:30:00Z', undefined],
    [NOON, '2026-11-20T10:59:59Z', undefined],
    [NOON, '2026-11-20T11:00:00Z', '2026-11-20T12:30:00Z'],
    // Elsewhere.
    [hours('22:00', '07:00', 'Asia/Kolkata'), '2026-11-20T16:30:00Z', '2026-11-21T01:30:00Z'],
    [hours('22:00', '07:00', 'Pacific/Kiritimati'), '2026-11-20T08:00:00Z', '2026-11-20T17:00:00Z'],
    [hours('22:00', '07:00', 'America/New_York'), '2026-11-20T02:59:00Z', undefined],
    [hours('22:00', '07:00', 'America/New_York'), '2026-11-20T03:00:00Z', '2026-11-20T12:00:00Z'],
    [hours('00:00', '23:59', 'UTC'), '2026-11-20T23:59:00Z', undefined],
    [hours('23:59', '00:00', 'UTC'), '2026-11-20T23:59:30Z', '2026-11-21T00:00:00Z'],
  ])('%j at %s: %s', (quiet, at, end) => expect(until(quiet, at)).toBe(end));

  // Berlin, 29 March 2026, 01:00 UTC: 02:00 becomes 03:00.
  test.each([
    ['the night is an hour shorter', NIGHT, '2026-03-28T21:00:00Z', '2026-03-29T05:00:00Z'],
    [
      'they end at an hour that there is not',
      hours('22:00', '02:30', BERLIN),
      '2026-03-29T00:59:59Z',
      '2026-03-29T01:00:00Z',
    ],
    ['and are over then', hours('22:00', '02:30', BERLIN), '2026-03-29T01:00:00Z', undefined],
    [
      'they begin at an hour that there is not',
      hours('02:30', '06:00', BERLIN),
      '2026-03-29T01:00:00Z',
      '2026-03-29T04:00:00Z',
    ],
    ['and not before', hours('02:30', '06:00', BERLIN), '2026-03-29T00:59:59Z', undefined],
    ['all of them are in that hour', hours('02:10', '02:50', BERLIN), '2026-03-29T01:00:00Z', undefined],
  ])('the clock is put forward: %s', (_, quiet, at, end) => expect(until(quiet, at)).toBe(end));

  // Berlin, 25 October 2026, 01:00 UTC: 03:00 becomes 02:00.
  test.each([
    ['the night is an hour longer', NIGHT, '2026-10-24T20:00:00Z', '2026-10-25T06:00:00Z'],
    ['they end at the first 02:30', hours('22:00', '02:30', BERLIN), '2026-10-25T00:29:59Z', '2026-10-25T00:30:00Z'],
    [
      'and do not begin again when it is 02:00 once more',
      hours('22:00', '02:30', BERLIN),
      '2026-10-25T01:00:00Z',
      undefined,
    ],
    ['they begin at the first 02:30', hours('02:30', '06:00', BERLIN), '2026-10-25T00:30:00Z', '2026-10-25T05:00:00Z'],
    [
      'and go on when it is 02:00 once more',
      hours('02:30', '06:00', BERLIN),
      '2026-10-25T01:10:00Z',
      '2026-10-25T05:00:00Z',
    ],
  ])('the clock is put back: %s', (_, quiet, at, end) => expect(until(quiet, at)).toBe(end));

  test('a clock that is put back over midnight ends no quiet hours', () => {
    // St. John's, 7 November 2010, 02:31 UTC: 00:01 becomes 23:01 of the day before.
    const quiet = hours('00:00', '06:00', 'America/St_Johns');
    expect(until(quiet, '2010-11-07T02:30:30Z')).toBe('2010-11-07T09:30:00Z');
    expect(until(quiet, '2010-11-07T02:45:00Z')).toBe('2010-11-07T09:30:00Z');
  });

  test('a day that there is not has no night', () => {
    // Apia, after 29 December 2011 came the 31st.
    const quiet = hours('22:00', '07:00', 'Pacific/Apia');
    expect(until(quiet, '2011-12-30T09:59:00Z')).toBe('2011-12-30T17:00:00Z');
    expect(until(quiet, '2011-12-30T17:00:00Z')).toBeUndefined();
  });

  const ZONES = [
    BERLIN,
    'America/New_York',
    'Australia/Lord_Howe',
    'Asia/Kolkata',
    'America/Sao_Paulo',
    'Asia/Kathmandu',
  ];
  const DAY_MS = 86_400_000;

  /** Minutes since midnight by another way than the code's. */
  const clockOf = (timeZone: string, at: number): number => {
    const shown = new Date(at).toLocaleTimeString('sv-SE', { timeZone, hour: '2-digit', minute: '2-digit' });
    return Number(shown.slice(0, 2)) * 60 + Number(shown.slice(3, 5));
  };
  const text = (minutes: number) =>
    [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':');
  const isBetween = (clock: number, from: number, to: number) =>
    from < to ? from <= clock && clock < to : clock >= from || clock < to;
  const minute = fc.integer({ min: 0, max: 1439 });
  const moment = fc.integer({ min: Date.UTC(2015, 0, 1), max: Date.UTC(2035, 0, 1) });
  const offsetOf = (timeZone: string, at: number) =>
    (((clockOf(timeZone, at) - Math.floor(at / 60_000)) % 1440) + 1440) % 1440;

  test('on days on which no clock is put, the clock alone says whether it is quiet', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), moment, minute, minute, (timeZone, begun, from, to) => {
        fc.pre(from !== to);
        fc.pre([-2, 4].every((days) => offsetOf(timeZone, begun + days * DAY_MS) === offsetOf(timeZone, begun)));
        for (let at = begun; at < begun + 2 * DAY_MS; at += 5_000_000) {
          const end = quietUntil(hours(text(from), text(to), timeZone), at);
          expect(end !== undefined).toBe(isBetween(clockOf(timeZone, at), from, to));
          expect(end === undefined ? to : clockOf(timeZone, end)).toBe(to);
        }
      }),
      { numRuns: countOf({ full: 100, fast: 25 }) },
    );
  });

  test('on any day they end, within a day and an hour, and are over then', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), moment, minute, minute, (timeZone, at, from, to) => {
        fc.pre(from !== to);
        const quiet = hours(text(from), text(to), timeZone);
        const end = quietUntil(quiet, at);
        if (end === undefined) return;
        expect(end).toBeGreaterThan(at);
        expect(end - at).toBeLessThanOrEqual(DAY_MS + 3_600_000);
        expect(quietUntil(quiet, end)).toBeUndefined();
        expect(quietUntil(quiet, end - 1)).toBe(end);
      }),
      { numRuns: countOf({ full: 500, fast: 60 }) },
    );
  });
});
