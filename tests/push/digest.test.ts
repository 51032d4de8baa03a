/** Results that come together, and requests that go away. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { SessionId } from '../../protocol/scalars.js';
import type { PushState } from '../../services/ports/outbox.js';
import { badgeOf } from '../../services/push/message/compose-message.js';
import { notifiedDevices } from '../../services/push/outbox/push-record.js';
import {
  DIGEST_PAUSE_MS,
  DIGEST_WINDOW_MS,
  type DigestPlan,
  type Gathering,
  type OwedResult,
  type PlannedPush,
  planResults,
} from '../../services/push/policy/plan-digest.js';
import { countOf } from '../support/counts.js';
import { AT, deviceRef, RESULTS, resultOf } from './situations.js';

const id = (name: string) => name as SessionId;

const owedResult = (
  session: string,
  fields: Partial<OwedResult> & { kind?: (typeof RESULTS)[number]; seq?: number } = {},
) => {
  const { kind = 'turn_complete', seq = 1, ...others } = fields;
  const owedAt = others.owedAt ?? AT;
  return {
    pushId: `${session}-${seq}`,
    concern: resultOf(kind, { sessionId: id(session), seq, at: owedAt }),
    owedAt,
    expiresAt: owedAt + 86_400_000,
    project: session,
    ...others,
  };
};

const plan = (owed: OwedResult[], fields: Partial<Gathering> & { expects?: string[] } = {}): DigestPlan => {
  const { expects = [], ...others } = fields;
  return planResults({ owed, expected: new Set(expects.map(id)), lastDigestAt: undefined, now: AT, ...others });
};

const ids = (results: readonly OwedResult[]) => results.map(({ pushId }) => pushId);

/** A short text for what is sent. */
function told(found: DigestPlan): string {
  if (found.kind !== 'send') return found.kind === 'wait' ? `wait ${found.until - AT}` : found.kind;
  const { push } = found;
  const shown = push.kind === 'single' ? push.result.pushId : ids(push.results).join(' ');
  return `${push.kind} ${shown} for ${ids(push.covers).join(' ')}`;
}

const A = owedResult('a');
const B = owedResult('b', { owedAt: AT + 5000 });

/** What a device gets over time: planned again at each time that the plan names, as the daemon does. */
class Simulation {
  now = AT;
  works: string[] = [];
  waiting: OwedResult[] = [];
  readonly covered: string[] = [];
  #lastDigestAt: number | undefined;

  advance(ms: number): void {
    const end = this.now + ms;
    for (let found = this.#plan(); found.kind !== 'nothing'; found = this.#plan()) {
      if (found.kind === 'send') this.#send(found.push);
      else if (found.until > end) break;
      else this.#pass(found.until);
    }
    this.now = end;
  }

  #plan(): DigestPlan {
    return plan(this.waiting, { expects: this.works, lastDigestAt: this.#lastDigestAt, now: this.now });
  }

  #pass(until: number): void {
    expect(until).toBeGreaterThan(this.now);
    this.now = until;
  }

  #send(push: PlannedPush): void {
    if (push.kind === 'digest') this.#sendDigest(push.results);
    for (const { owedAt } of push.covers) {
      expect(this.now - owedAt).toBeLessThanOrEqual(DIGEST_WINDOW_MS + DIGEST_PAUSE_MS);
    }
    this.covered.push(...ids(push.covers));
    this.waiting = this.waiting.filter((result) => !push.covers.includes(result));
  }

  #sendDigest(results: readonly OwedResult[]): void {
    expect(this.now - (this.#lastDigestAt ?? -Infinity)).toBeGreaterThanOrEqual(DIGEST_PAUSE_MS);
    expect(results.length).toBeGreaterThan(1);
    expect(new Set(results.map(({ concern }) => concern.sessionId)).size).toBe(results.length);
    this.#lastDigestAt = this.now;
  }
}

describe('digests', () => {
  test('nothing owed: nothing sent', () => expect(told(plan([]))).toBe('nothing'));

  test('one alone goes out at once when no other session is at work', () => {
    expect(told(plan([A]))).toBe('single a-1 for a-1');
    expect(told(plan([A], { expects: ['a'] }))).toBe('single a-1 for a-1');
  });

  test('while others are at work it waits for them, for the window and no longer', () => {
    expect(told(plan([A], { expects: ['b'] }))).toBe(`wait ${DIGEST_WINDOW_MS}`);
    expect(told(plan([A], { expects: ['b'], now: AT + DIGEST_WINDOW_MS - 1 }))).toBe(`wait ${DIGEST_WINDOW_MS}`);
    expect(told(plan([A], { expects: ['b'], now: AT + DIGEST_WINDOW_MS }))).toBe('single a-1 for a-1');
  });

  test('the window begins with the first, and ends when no other is expected', () => {
    const now = AT + 5000;
    expect(told(plan([A, B], { expects: ['c'], now }))).toBe(`wait ${DIGEST_WINDOW_MS}`);
    expect(told(plan([B, A], { expects: ['c'], now: AT + DIGEST_WINDOW_MS }))).toBe('digest a-1 b-1 for b-1 a-1');
    expect(told(plan([A, B], { now }))).toBe('digest a-1 b-1 for a-1 b-1');
  });

  test('a digest is wanted for as long as the last of its results', () => {
    const found = plan([A, B], { now: AT + 5000 });
    expect(found).toMatchObject({ kind: 'send', push: { kind: 'digest', expiresAt: B.expiresAt } });
  });

  test('two digests are a minute apart; one alone need not wait for that', () => {
    const last = { lastDigestAt: AT - 20_000 };
    expect(told(plan([A], last))).toBe('single a-1 for a-1');
    expect(told(plan([A, B], { ...last, now: AT + 5000 }))).toBe(`wait ${DIGEST_PAUSE_MS - 20_000}`);
    expect(told(plan([A, B], { ...last, now: AT + 40_000 }))).toBe('digest a-1 b-1 for a-1 b-1');
  });

  test('several of one session are its last one', () => {
    const later = owedResult('a', { seq: 9, owedAt: AT + 1000 });
    expect(told(plan([A, later]))).toBe('single a-9 for a-1 a-9');
    expect(told(plan([later, A, B], { now: AT + 5000 }))).toBe('digest a-9 b-1 for a-9 a-1 b-1');
  });

  test('that a session was given up is not hidden by the prompts that fail with it, but by what went well later', () => {
    const given = owedResult('a', { kind: 'given_up', seq: 4 });
    const failed = owedResult('a', { kind: 'turn_failed', seq: 5 });
    const well = owedResult('a', { seq: 6 });
    expect(told(plan([failed, given]))).toBe('single a-4 for a-5 a-4');
    expect(told(plan([given, failed, well]))).toBe('single a-6 for a-4 a-5 a-6');
  });

  test('ten sessions that finish within 20 s are one digest', () => {
    const all = Array.from({ length: 10 }, (_, index) => owedResult(`s${index}`, { owedAt: AT + index * 2000 }));
    const names = all.map(({ project }) => project);
    const sent: string[] = [];
    for (const [index, { owedAt }] of all.entries()) {
      const found = plan(all.slice(0, index + 1), { expects: names.slice(index + 1), now: owedAt });
      if (found.kind === 'send') sent.push(told(found));
    }
    expect(sent).toEqual([`digest ${ids(all).join(' ')} for ${ids(all).join(' ')}`]);
  });

  test('P1: whatever comes when, each result is covered once, soon enough, and no two digests within a minute', () => {
    const arrival = fc.record({
      session: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      afterMs: fc.integer({ min: 0, max: 40_000 }),
      kind: fc.constantFrom(...RESULTS),
      works: fc.subarray(['a', 'b', 'c', 'd', 'e']),
    });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 30 }), (arrivals) => {
        const device = new Simulation();
        for (const [seq, { session, afterMs, kind, works }] of arrivals.entries()) {
          device.advance(afterMs);
          device.works = works;
          device.waiting.push(owedResult(session, { kind, seq, owedAt: device.now }));
        }
        device.advance(200_000);
        expect(device.covered.sort()).toEqual(arrivals.map(({ session }, seq) => `${session}-${seq}`).sort());
      }),
      { numRuns: countOf({ full: 500, fast: 60 }) },
    );
  });
});

describe('withdrawals', () => {
  const push = (deviceId: string, state: PushState) => ({ device: deviceRef(deviceId), state });
  const openRequests = new Map([
    [id('a'), 2],
    [id('b'), 0],
    [id('c'), 1],
  ]);
  const to = (pushes: ReturnType<typeof push>[], byDeviceId?: string) =>
    notifiedDevices(pushes, byDeviceId).map(({ deviceId }) => `${deviceId} ${badgeOf(openRequests)}`);

  test('the badge is what waits in all sessions', () => {
    expect(badgeOf(openRequests)).toBe(3);
    expect(badgeOf(new Map())).toBe(0);
  });

  test.each([
    ['accepted', ['phone 3']],
    ['sending', ['phone 3']],
    ['owed', []],
    ['seen', []],
    ['suppressed', []],
    ['expired', []],
    ['failed', []],
  ] as const)('a push that is %s: %j', (state, expected) => expect(to([push('phone', state)])).toEqual(expected));

  test('whoever answered knows; each of the others is told once', () => {
    const pushes = [
      push('phone', 'accepted'),
      push('tablet', 'sending'),
      push('watch', 'accepted'),
      push('watch', 'accepted'),
    ];
    expect(to(pushes, 'tablet')).toEqual(['phone 3', 'watch 3']);
    expect(to(pushes)).toEqual(['phone 3', 'tablet 3', 'watch 3']);
  });
});
