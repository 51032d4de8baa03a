import type { SessionId } from '../../protocol/scalars.js';
import type { PushRecord } from '../ports/outbox.js';
import type { PushSessions } from '../ports/push-people.js';
import type { DeviceRef } from '../ports/records.js';
import { isWaiting } from './concerns.js';
import type { OutboxRows } from './outbox-rows.js';
import type { About } from './push-about.js';
import { type OwedResult, planResults } from './push-digest.js';
import type { Sendable } from './push-dispatcher.js';
import type { Judged } from './push-judge.js';
import { changed, isResult, newPush } from './push-record.js';

export type Owed = Judged & { verdict: Extract<Judged['verdict'], { kind: 'owed' }> };

export interface ResultGathererOptions {
  rows: OutboxRows;
  sessions: PushSessions;
  epoch: string;
  /** A result that is not sent now is checked again then. */
  postpone: (push: PushRecord, until: number) => void;
}

/** Gathers the results of each device: a single push, or several as a digest. */
export class ResultGatherer {
  readonly #options: ResultGathererOptions;
  readonly #lastDigests = new Map<string, number>();

  constructor(options: ResultGathererOptions) {
    this.#options = options;
  }

  /** The pushes to send for these results, which are all that their devices are owed. */
  gather(owed: readonly Owed[], at: number): Sendable[] {
    const byDevice = new Map<string, Owed[]>();
    for (const one of owed) {
      if (!isResult(one.push)) continue;
      const key = keyOf(one.push.device);
      const others = byDevice.get(key);
      if (others) others.push(one);
      else byDevice.set(key, [one]);
    }
    return [...byDevice.values()].flatMap((results) => this.#plan(results, at) ?? []);
  }

  #plan(owed: readonly Owed[], at: number): Sendable | undefined {
    const { rows, epoch, postpone } = this.#options;
    const [first] = owed;
    if (!first) return undefined;
    const { device } = first.push;
    const found = owed.map(({ push, verdict }) => this.#resultOf(push, verdict));
    const plan = planResults({
      owed: found,
      expected: this.#expected(device, at),
      lastDigestAt: this.#lastDigests.get(keyOf(device)),
      now: at,
    });
    if (plan.kind === 'wait') for (const { push } of owed) postpone(push, plan.until);
    if (plan.kind !== 'send') return undefined;
    const { push: planned } = plan;
    if (planned.kind === 'single') {
      const single = owed.find(({ push }) => push.pushId === planned.result.pushId);
      this.#cover(planned.covers, planned.result.pushId, at);
      return single && !isResting(single.push, at) ? timed(single) : undefined;
    }
    const about = { what: 'digest', results: planned.results } as const;
    const digest = newPush({ device, about, epoch, now: at, expiresAt: planned.expiresAt });
    rows.add(digest);
    this.#cover(planned.covers, digest.pushId, at);
    this.#lastDigests.set(keyOf(device), at);
    return rows.lines.isBehind(digest) ? undefined : { row: digest, push: digest };
  }

  #resultOf(push: PushRecord, verdict: Owed['verdict']) {
    const { rows, sessions } = this.#options;
    const project = push.sessionId === undefined ? undefined : sessions.find(push.sessionId)?.project;
    return owedResultOf({ push, about: rows.aboutOf(push), verdict, project: project ?? '' });
  }

  /** Marks rows as done with another one. */
  #cover(covers: readonly { pushId: string }[], by: string, at: number): void {
    const { rows } = this.#options;
    for (const { pushId } of covers) {
      const push = rows.find(pushId);
      if (push && pushId !== by) rows.change(changed(push, { state: 'suppressed', at, reason: `told by ${by}` }));
    }
  }

  #expected(device: DeviceRef, at: number): Set<SessionId> {
    const { rows, sessions } = this.#options;
    const expected = new Set(sessions.working(device.userId));
    for (const { sessionId, attempts, nextTry } of rows.owed.resultsOf(device))
      if (nextTry > at && attempts === 0 && sessionId !== undefined) expected.add(sessionId);
    return expected;
  }
}

/** Whether it has failed, and waits for its next attempt. */
export const isResting = ({ attempts, nextTry }: PushRecord, at: number): boolean => attempts > 0 && nextTry > at;

/** Applies the times of its verdict. */
export const timed = ({ push, verdict: { at, expiresAt } }: Owed): Sendable => ({
  row: push,
  push: { ...push, dueAt: at, expiresAt },
});

const keyOf = ({ userId, deviceId }: DeviceRef) => `${userId}/${deviceId}`;

/** Converts a row about a result for gathering. */
function owedResultOf(options: {
  push: PushRecord;
  about: About;
  verdict: { at: number; expiresAt: number };
  project: string;
}): OwedResult {
  const { push, about, verdict, project } = options;
  if (about.what !== 'concern' || isWaiting(about.concern)) throw new Error(`${push.kind} is no result`);
  const { pushId } = push;
  return { pushId, concern: about.concern, owedAt: verdict.at, expiresAt: verdict.expiresAt, project };
}
