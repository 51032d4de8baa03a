/** Who is owed a push, whatever the devices, preferences and times are. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { PUSH_KINDS } from '../../protocol/push-preferences.js';
import { isWaiting } from '../../services/push/policy/concerns.js';
import {
  type DeviceVerdict,
  judge,
  type PersonDevice,
  RESULT_DELAY_MS,
  type Situation,
  type Verdict,
  WAITING_DELAY_MS,
} from '../../services/push/policy/judge-event.js';
import { countOf } from '../support/counts.js';
import { AT, concernOfKind, deviceOf, SEQ, SESSION } from './situations.js';

const HOUR = 3_600_000;
const time = fc
  .oneof(fc.integer({ min: -20_000, max: 40_000 }), fc.integer({ min: -HOUR, max: 26 * HOUR }))
  .map((ms) => AT + ms);
const later = fc.oneof(fc.integer({ min: 0, max: 30_000 }), fc.integer({ min: 0, max: 26 * HOUR }));

const timeOfDay = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
  .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));
const quietHours = fc
  .record(
    {
      from: timeOfDay,
      to: timeOfDay,
      timeZone: fc.constantFrom('Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'UTC'),
      exceptUrgent: fc.boolean(),
    },
    { requiredKeys: ['from', 'to', 'timeZone'] },
  )
  .filter(({ from, to }) => from !== to);
const preferences = fc.record(
  {
    enabled: fc.boolean(),
    kinds: fc.dictionary(fc.constantFrom(...PUSH_KINDS), fc.boolean()),
    quietHours,
  },
  { requiredKeys: [] },
);

const presence = fc.oneof(
  fc.constant({ presence: 'foreground' as const, leftAt: undefined }),
  fc.record({
    presence: fc.constantFrom('background' as const, 'away' as const),
    leftAt: fc.option(time, { nil: undefined }),
  }),
);
const cursors = fc
  .option(fc.integer({ min: 0, max: 2 * SEQ }), { nil: undefined })
  .map((seq) => new Map(seq === undefined ? [] : [[SESSION, seq]]));
const device = fc
  .record({
    there: presence,
    isRegistered: fc.boolean(),
    lastAckAt: fc.option(time, { nil: undefined }),
    cursors,
    preferences,
  })
  .map(({ there, ...fields }) => ({ ...there, ...fields }));
const devices = fc
  .array(device, { maxLength: 5 })
  .map((all) => all.map((fields, index) => deviceOf(`device-${index}`, fields as Partial<PersonDevice>)));

const muted = fc.oneof(
  fc.boolean(),
  time.map((at) => new Date(at).toISOString()),
);
const situation: fc.Arbitrary<Situation> = fc.record({
  concern: fc.constantFrom(...PUSH_KINDS).map((kind) => concernOfKind(kind)),
  session: fc.record({
    preferences: fc.record({ muted }, { requiredKeys: [] }),
    openRequests: fc.subarray(['toolu_1', 'toolu_2']).map((ids) => new Set(ids)),
  }),
  devices,
  knownFrom: time,
  now: time,
});

const property = (holds: (given: Situation) => void) =>
  fc.assert(fc.property(situation, holds), { numRuns: countOf({ full: 1000, fast: 100 }) });

const EXCUSES = new Set(['stale', 'muted', 'quiet_hours']);
const isExcused = ({ verdict }: DeviceVerdict) => verdict.kind !== 'owed' && EXCUSES.has(verdict.reason);

const owedIn = (verdicts: DeviceVerdict[]) =>
  verdicts.flatMap(({ device: ref, verdict }) => (verdict.kind === 'owed' ? [{ ref, ...verdict }] : []));

const STALE: Verdict = { kind: 'suppressed', reason: 'stale' };

/** What time alone makes of a verdict. When what is waited for becomes stale, only the later verdict says. */
function expectedAt(now: number, verdict: Verdict, found: Verdict | undefined): Verdict {
  if (verdict.kind === 'owed') return now < verdict.expiresAt ? verdict : STALE;
  if (verdict.kind === 'suppressed' || now < verdict.until) return verdict;
  return found?.kind === 'owed' ? { ...found, at: verdict.until } : STALE;
}

describe('whatever happens', () => {
  test('P1: each device with a registration is judged once, and no other; what is not owed has a reason', () => {
    property((given) => {
      const verdicts = judge(given);
      expect(verdicts.map(({ device: ref }) => ref)).toEqual(
        given.devices.filter(({ isRegistered }) => isRegistered).map(({ device: ref }) => ref),
      );
      for (const { verdict } of verdicts) if (verdict.kind !== 'owed') expect(verdict.reason).toMatch(/^[a-z_]+$/);
    });
  });

  test('P1: nothing is owed before the event, nor before the delay while a device is in the foreground', () => {
    property((given) => {
      const delay = isWaiting(given.concern) ? WAITING_DELAY_MS : RESULT_DELAY_MS;
      const isHere = given.devices.some(({ presence: state }) => state === 'foreground');
      for (const { at, expiresAt } of owedIn(judge(given))) {
        expect(at).toBeGreaterThanOrEqual(AT + (isHere ? delay : 0));
        expect(at).toBeLessThanOrEqual(given.now);
        expect(expiresAt).toBeGreaterThan(given.now);
      }
    });
  });

  test('P1: what one device has acknowledged is owed to none', () => {
    fc.assert(
      fc.property(situation, fc.nat(), fc.integer({ min: SEQ, max: 3 * SEQ }), (given, which, seq) => {
        const at = given.devices.length > 0 ? which % given.devices.length : 0;
        const seen = given.devices.map((one, index) =>
          index === at ? { ...one, cursors: new Map([[SESSION, seq]]) } : one,
        );
        for (const { verdict } of judge({ ...given, devices: seen })) {
          expect(verdict.kind).toBe('suppressed');
        }
      }),
    );
  });

  test('P1: a request that was resolved is owed to none', () => {
    property((given) => {
      if (!isWaiting(given.concern)) return;
      const session = { ...given.session, openRequests: new Set<string>() };
      for (const { verdict } of judge({ ...given, session })) {
        expect(verdict).toEqual({ kind: 'suppressed', reason: 'resolved' });
      }
    });
  });

  test('P1: time alone makes of waiting owed, at the time that was told, and of owed stale; nothing comes back', () => {
    fc.assert(
      fc.property(situation, later, (given, ms) => {
        const then = given.now + ms;
        const after = judge({ ...given, now: then }).map(({ verdict }) => verdict);
        const before = judge(given).map(({ verdict }) => verdict);
        expect(after).toEqual(before.map((verdict, index) => expectedAt(then, verdict, after[index])));
      }),
      { numRuns: countOf({ full: 1000, fast: 100 }) },
    );
  });

  test('P1: whoever judges again at the time told finds it owed or stale: no push waits for ever', () => {
    property((given) => {
      for (const [index, { verdict }] of judge(given).entries()) {
        if (verdict.kind !== 'wait') continue;
        expect(verdict.until).toBeGreaterThan(given.now);
        const then = judge({ ...given, now: verdict.until })[index]?.verdict;
        expect(then).toMatchObject(
          then?.kind === 'owed' ? { kind: 'owed', at: verdict.until } : { kind: 'suppressed', reason: 'stale' },
        );
      }
    });
  });

  test('P1: that another device is lost, or loses its registration, never takes a push away', () => {
    property((given) => {
      const owed = owedIn(judge(given)).map(({ ref }) => ref.deviceId);
      for (const lost of given.devices) {
        const fewer = judge({ ...given, devices: given.devices.filter((one) => one !== lost) });
        const still = owedIn(fewer).map(({ ref }) => ref.deviceId);
        const others = owed.filter((deviceId) => deviceId !== lost.device.deviceId);
        // Less is waited for, so that it was owed earlier: it may be stale by now, or fall into other hours.
        const excused = fewer.filter(isExcused).map(({ device: ref }) => ref.deviceId);
        expect([...still, ...excused]).toEqual(expect.arrayContaining(others));
      }
    });
  });

  test('P1: judging asks no clock and changes nothing', () => {
    property((given) => {
      const copy = structuredClone(given);
      expect(judge(given)).toEqual(judge(copy));
      expect(given).toEqual(copy);
    });
  });
});
