/** Who is owed a push, case by case. Milliseconds are counted from the event. */
import { expect, test } from '@jest/globals';
import type { PushPreferences, SessionPushPreferences } from '../../protocol/push-preferences.js';
import type { ConcernKind } from '../../services/push/policy/concerns.js';
import { judge, type PersonDevice, type Verdict } from '../../services/push/policy/judge-event.js';
import { AT, deviceOf, SEQ, SESSION, situationOf } from './situations.js';

type Fields = Partial<PersonDevice>;

const FOREGROUND: Fields = { presence: 'foreground' };
const leftAt = (ms: number, presence: 'background' | 'away' = 'background'): Fields => ({ presence, leftAt: AT + ms });
const ackedAt = (ms: number): Fields => ({ ...FOREGROUND, lastAckAt: AT + ms });
const seen = (fields: Fields = {}): Fields => ({ ...fields, cursors: new Map([[SESSION, SEQ]]) });
const behind = (fields: Fields = {}): Fields => ({ ...fields, cursors: new Map([[SESSION, SEQ - 1]]) });
const unregistered = (fields: Fields): Fields => ({ ...fields, isRegistered: false });
const wants = (preferences: PushPreferences, fields: Fields = {}): Fields => ({ ...fields, preferences });

/** In Berlin the event is at 20:05:00. */
const QUIET = { from: '20:00', to: '07:00', timeZone: 'Europe/Berlin' };
const LATER_QUIET = { ...QUIET, from: '20:06' };
const PAST_QUIET = { ...QUIET, from: '12:00', to: '20:05' };
const SOON_OVER = { ...QUIET, from: '12:00', to: '20:06' };
const HELD = { ...QUIET, exceptUrgent: false };
const MORNING = Date.UTC(2026, 10, 21, 6) - AT;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const owed = (at: number, expires: number) => `owed since ${at} until ${expires}`;
const wait = (until: number, reason: string) => `wait until ${until}: ${reason}`;
const none = (reason: string) => `none: ${reason}`;

const told = (verdict: Verdict | undefined): string => {
  switch (verdict?.kind) {
    case 'owed':
      return owed(verdict.at - AT, verdict.expiresAt - AT);
    case 'wait':
      return wait(verdict.until - AT, verdict.reason);
    case 'suppressed':
      return none(verdict.reason);
    case undefined:
      return 'not judged';
  }
};

interface Row {
  when: string;
  kind: ConcernKind;
  now: number;
  /** The first is the one that is looked at. */
  devices: Fields[];
  session?: SessionPushPreferences;
  isResolved?: boolean;
  /** When the daemon knows who is here. */
  knownFrom?: number;
  expected: string;
}

const row = (when: string, kind: ConcernKind, now: number, devices: Fields[], expected: string): Row => ({
  when,
  kind,
  now,
  devices,
  expected,
});
const muted = (session: SessionPushPreferences, of: Row): Row => ({ ...of, session });
const resolved = (of: Row): Row => ({ ...of, isResolved: true });
const knownFrom = (at: number, of: Row): Row => ({ ...of, knownFrom: at });

const STALE = 10 * MINUTE;
const DAY = 24 * HOUR;

const ROWS: Row[] = [
  // Nobody is there: at once.
  row('away', 'permission', 0, [{}], owed(0, STALE)),
  row('away', 'question', 0, [{}], owed(0, STALE)),
  row('away', 'plan', 0, [{}], owed(0, STALE)),
  row('away', 'turn_complete', 0, [{}], owed(0, DAY)),
  row('away', 'turn_failed', 0, [{}], owed(0, DAY)),
  row('away', 'limit', 0, [{}], owed(0, DAY)),
  row('away', 'given_up', 0, [{}], owed(0, DAY)),
  row('away', 'budget', 0, [{}], owed(0, DAY)),
  row('in the background since before', 'permission', 0, [leftAt(-HOUR)], owed(0, STALE)),
  row('in the background since before', 'turn_complete', 0, [leftAt(-HOUR)], owed(0, DAY)),
  row('gone since before', 'turn_complete', 5, [leftAt(-1, 'away')], owed(0, DAY)),
  row('one away, one in the background', 'turn_complete', 0, [{}, leftAt(-1)], owed(0, DAY)),
  // Somebody is there: after the delay.
  row('in the foreground, and idle', 'permission', 0, [FOREGROUND], wait(3000, 'delay')),
  row('in the foreground, and idle', 'permission', 2999, [FOREGROUND], wait(3000, 'delay')),
  row('in the foreground, and idle', 'permission', 3000, [FOREGROUND], owed(3000, 3000 + STALE)),
  row('in the foreground, and idle', 'question', 2999, [FOREGROUND], wait(3000, 'delay')),
  row('in the foreground, and idle', 'plan', 3000, [FOREGROUND], owed(3000, 3000 + STALE)),
  row('in the foreground, and idle', 'turn_complete', 3000, [FOREGROUND], wait(10_000, 'delay')),
  row('in the foreground, and idle', 'turn_complete', 9999, [FOREGROUND], wait(10_000, 'delay')),
  row('in the foreground, and idle', 'turn_complete', 10_000, [FOREGROUND], owed(10_000, DAY)),
  row('in the foreground, and idle', 'turn_failed', 10_000, [FOREGROUND], owed(10_000, DAY)),
  row('in the foreground, and idle', 'limit', 9999, [FOREGROUND], wait(10_000, 'delay')),
  row('in the foreground, and idle', 'given_up', 10_000, [FOREGROUND], owed(10_000, DAY)),
  row('away, another in the foreground', 'permission', 0, [{}, FOREGROUND], wait(3000, 'delay')),
  row('away, another in the foreground', 'turn_complete', 10_000, [{}, FOREGROUND], owed(10_000, DAY)),
  row('away, a browser that cannot be pushed to', 'limit', 0, [{}, unregistered(FOREGROUND)], wait(10_000, 'delay')),
  // The daemon has just come up, and they may be on their way back.
  knownFrom(500, row('away', 'permission', 0, [{}], wait(500, 'delay'))),
  knownFrom(500, row('away', 'permission', 500, [{}], owed(500, STALE))),
  knownFrom(HOUR, row('away', 'turn_complete', HOUR - 1, [{}], wait(HOUR, 'delay'))),
  knownFrom(HOUR, row('back, and has not acknowledged yet', 'limit', HOUR - 1, [FOREGROUND], wait(HOUR, 'delay'))),
  knownFrom(HOUR, row('acknowledged meanwhile', 'limit', HOUR - 1, [seen(FOREGROUND)], none('acknowledged'))),
  knownFrom(HOUR, row('away for too long', 'permission', HOUR - 1, [{}], none('stale'))),
  // They go while it is waited for them.
  row('left after 2 s', 'turn_complete', 2000, [leftAt(2000)], owed(2000, DAY)),
  row('left after 2 s', 'permission', 2500, [leftAt(2000)], owed(2000, 2000 + STALE)),
  row('lost its connection after 2 s', 'turn_complete', 2500, [leftAt(2000, 'away')], owed(2000, DAY)),
  row('left after the delay', 'permission', 9000, [leftAt(8000)], owed(3000, 3000 + STALE)),
  row('the last of two left after 4 s', 'turn_complete', 5000, [leftAt(-1), leftAt(4000)], owed(4000, DAY)),
  row('one left, another stays', 'turn_complete', 5000, [leftAt(2000), FOREGROUND], wait(10_000, 'delay')),
  row('left and was active before', 'permission', 0, [{ ...leftAt(-1), lastAckAt: AT - 10 }], owed(0, STALE)),
  // It was seen.
  row('acknowledged', 'permission', 1000, [seen(FOREGROUND)], none('acknowledged')),
  row('acknowledged', 'turn_complete', 9000, [seen(FOREGROUND)], none('acknowledged')),
  row('acknowledged by another', 'permission', 1000, [{}, seen(FOREGROUND)], none('acknowledged')),
  row('acknowledged by another that left', 'given_up', 1000, [{}, seen(leftAt(500))], none('acknowledged')),
  row('acknowledged by a browser', 'limit', 1000, [{}, unregistered(seen(FOREGROUND))], none('acknowledged')),
  row('acknowledged beyond it', 'plan', 0, [{ cursors: new Map([[SESSION, SEQ + 5]]) }], none('acknowledged')),
  row('acknowledged up to before it', 'permission', 3000, [behind(FOREGROUND)], owed(3000, 3000 + STALE)),
  row('acknowledged up to before it', 'turn_complete', 0, [behind()], owed(0, DAY)),
  // The device is in use.
  row('acknowledged another 1 s before', 'permission', 3000, [ackedAt(-1000)], wait(14_000, 'active')),
  row('acknowledged another 1 s before', 'permission', 14_000, [ackedAt(-1000)], owed(14_000, 14_000 + STALE)),
  row('acknowledged another 12 s before', 'permission', 1000, [ackedAt(-12_000)], wait(3000, 'delay')),
  row('acknowledged another 15 s before', 'question', 3000, [ackedAt(-15_000)], owed(3000, 3000 + STALE)),
  row('acknowledged another meanwhile', 'turn_complete', 10_000, [ackedAt(8000)], wait(23_000, 'active')),
  row('acknowledged another meanwhile', 'turn_complete', 23_000, [ackedAt(8000)], owed(23_000, DAY)),
  row('away, another in use', 'turn_complete', 10_000, [{}, ackedAt(8000)], owed(10_000, DAY)),
  row('in the background, another in use', 'plan', 3000, [leftAt(-1), ackedAt(2000)], owed(3000, 3000 + STALE)),
  row('in use for minutes', 'permission', 20 * MINUTE, [ackedAt(20 * MINUTE)], wait(20 * MINUTE + 15_000, 'active')),
  row('in use for a day', 'turn_complete', DAY, [ackedAt(DAY)], none('stale')),
  // Preferences of the device.
  row('off', 'permission', 0, [wants({ enabled: false })], none('disabled')),
  row('on', 'permission', 0, [wants({ enabled: true })], owed(0, STALE)),
  row('its kind is off', 'turn_complete', 0, [wants({ kinds: { turn_complete: false } })], none('kind_off')),
  row('another kind is off', 'turn_failed', 0, [wants({ kinds: { turn_complete: false } })], owed(0, DAY)),
  row('its kind is on', 'limit', 0, [wants({ kinds: { limit: true } })], owed(0, DAY)),
  row('its kind is off for another', 'plan', 0, [{}, wants({ kinds: { plan: false } })], owed(0, STALE)),
  row('off, and was seen', 'limit', 0, [wants({ enabled: false }, seen())], none('acknowledged')),
  // Quiet hours.
  row('quiet', 'turn_complete', 0, [wants({ quietHours: QUIET })], none('quiet_hours')),
  row('quiet', 'budget', 0, [wants({ quietHours: QUIET })], none('quiet_hours')),
  row('off', 'budget', 0, [wants({ kinds: { budget: false } })], none('kind_off')),
  row('quiet', 'given_up', 0, [wants({ quietHours: QUIET })], none('quiet_hours')),
  row('quiet', 'permission', 0, [wants({ quietHours: QUIET })], owed(0, STALE)),
  row('quiet but for the urgent', 'plan', 0, [wants({ quietHours: { ...QUIET, exceptUrgent: true } })], owed(0, STALE)),
  row('quiet for all', 'permission', 0, [wants({ quietHours: HELD })], wait(MORNING, 'quiet_hours')),
  row('quiet for all', 'question', MORNING - 1, [wants({ quietHours: HELD })], wait(MORNING, 'quiet_hours')),
  row('not quiet any more', 'plan', MORNING, [wants({ quietHours: HELD })], owed(MORNING, MORNING + STALE)),
  row('seen in quiet hours', 'plan', 5, [wants({ quietHours: HELD }), seen()], none('acknowledged')),
  row('quiet from a minute on', 'turn_complete', 0, [wants({ quietHours: LATER_QUIET })], owed(0, DAY)),
  row('quiet until now', 'turn_complete', 0, [wants({ quietHours: PAST_QUIET })], owed(0, DAY)),
  row('quiet till soon', 'limit', 0, [wants({ quietHours: SOON_OVER }, FOREGROUND)], none('quiet_hours')),
  row('another is quiet', 'turn_complete', 0, [{}, wants({ quietHours: QUIET })], owed(0, DAY)),
  // The session is muted.
  muted({ muted: true }, row('muted', 'permission', 0, [{}], none('muted'))),
  muted({ muted: true }, row('muted', 'turn_complete', 0, [FOREGROUND], none('muted'))),
  muted({ muted: false }, row('not muted', 'turn_complete', 0, [{}], owed(0, DAY))),
  muted({ muted: '2026-11-20T19:05:00.000Z' }, row('muted until now', 'limit', 0, [{}], owed(0, DAY))),
  muted({ muted: '2026-11-20T19:05:00.001Z' }, row('muted until then', 'limit', 0, [{}], none('muted'))),
  muted({ muted: true }, row('muted, and seen', 'limit', 0, [seen()], none('acknowledged'))),
  muted({ muted: true }, row('muted, and off', 'limit', 0, [wants({ enabled: false })], none('disabled'))),
  // Nobody waits for an answer any more.
  resolved(row('resolved', 'permission', 1000, [FOREGROUND], none('resolved'))),
  resolved(row('resolved after the delay', 'plan', 4000, [{}], none('resolved'))),
  resolved(row('resolved in quiet hours', 'question', MORNING, [wants({ quietHours: HELD })], none('resolved'))),
  resolved(row('requests are no matter of its', 'turn_complete', 0, [{}], owed(0, DAY))),
  // Nobody wants it any more.
  row('late', 'permission', STALE - 1, [{}], owed(0, STALE)),
  row('too late', 'permission', STALE, [{}], none('stale')),
  row('too late after the delay', 'question', 3000 + STALE, [FOREGROUND], none('stale')),
  row('late', 'turn_complete', DAY - 1, [{}], owed(0, DAY)),
  row('too late', 'turn_complete', DAY, [{}], none('stale')),
  row('too late after quiet hours', 'plan', MORNING + STALE, [wants({ quietHours: HELD })], none('stale')),
  // Clocks that were set back.
  row('before it happened', 'turn_complete', -HOUR, [{}], wait(0, 'delay')),
];

test('the table has at least 60 rows', () => expect(ROWS.length).toBeGreaterThanOrEqual(60));

test.each(ROWS)('$kind, $when, after $now ms: $expected', (row) => {
  const { kind, now, devices, session, isResolved, expected } = row;
  const situation = situationOf(kind, {
    now: AT + now,
    knownFrom: AT + (row.knownFrom ?? -HOUR),
    devices: devices.map((fields, index) => deviceOf(`device-${index}`, fields)),
    session: { preferences: session ?? {}, openRequests: new Set(isResolved ? [] : ['toolu_1']) },
  });
  const [first] = judge(situation);
  expect(first?.device.deviceId).toBe('device-0');
  expect(told(first?.verdict)).toBe(expected);
});

test('a device without a registration is not judged, and each of the others once', () => {
  const devices = [deviceOf('browser', { isRegistered: false }), deviceOf('phone'), deviceOf('tablet')];
  const judged = judge(situationOf('permission', { devices }));
  expect(judged.map(({ device }) => device.deviceId)).toEqual(['phone', 'tablet']);
});
