import type { SessionId } from '../../../protocol/scalars.js';
import { deviceKey } from '../../model/devices.js';
import type { StoredCursor } from '../../ports/cursors.js';
import type { PushRecord } from '../../ports/outbox.js';
import type { PushSessions } from '../../ports/push-people.js';
import type { DeviceRef, UserId } from '../../ports/records.js';
import { isSpent, isWaiting } from '../policy/concerns.js';
import { type OwedResult, planResults } from '../policy/plan-digest.js';
import type { Judged, PushPolicy } from '../policy/push-policy.js';
import type { PushDispatcher, Sendable } from '../sending/dispatcher.js';
import type { Allowance, PushPace } from '../sending/push-pace.js';
import type { OutboxRows } from './outbox-rows.js';
import { type About, changed, isResult, isUrgent, newPush } from './push-record.js';

export interface OutboxOptions {
  rows: OutboxRows;
  policy: PushPolicy;
  dispatcher: PushDispatcher;
  pace: PushPace;
  sessions: PushSessions;
  epoch: string;
  now: () => number;
  onError: (error: unknown) => void;
}

/** A longer timer of Node fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Retry interval after an unexpected failure. */
const RETRY_MS = 1000;
/** Enough to find out whether a row is due. */
const ONE: Allowance = { free: 0, paced: 1 };

/** Takes due rows, has them judged once more, and sends them. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #gatherer: ResultGatherer;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #begun = false;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    const postpone = (push: PushRecord, until: number) => this.#postpone(push, until);
    this.#gatherer = new ResultGatherer({ ...options, postpone });
  }

  /** Adopts the rows of an earlier daemon: pushes that were being sent are sent again. */
  begin(): void {
    const { rows, now } = this.#options;
    const at = now();
    for (const push of Array.from(rows.open())) {
      if (push.state === 'sending')
        rows.change(changed(push, { state: 'owed', at, reason: 'the daemon ended while it was sent', nextTry: at }));
    }
    this.#begun = true;
    this.wake();
  }

  /** Schedules a check. Changes in the same turn of the event loop share one. */
  wake(): void {
    if (this.#closed || !this.#begun) return;
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#look();
    });
  }

  /** Pushes that wait because of a person's devices are judged again, unless they were tried before. */
  judgeAgain(userId: UserId): void {
    for (const push of this.#options.rows.open()) if (push.device.userId === userId) this.#lookAt(push);
  }

  /** Adds rows that were written with their events. */
  took(pushes: readonly PushRecord[]): void {
    for (const push of pushes) this.#options.rows.take(push);
    if (pushes.length > 0) this.wake();
  }

  /** A device has received everything up to these positions. Nearly always, no push is owed for that. */
  acknowledged(device: DeviceRef, cursors: ReadonlyMap<SessionId, StoredCursor>): void {
    const { rows, epoch } = this.#options;
    for (const [sessionId, cursor] of cursors) {
      if (cursor.epoch !== epoch) continue;
      for (const push of rows.ofSession(sessionId)) {
        const isCovered = push.epoch === epoch && push.seq !== undefined && push.seq <= cursor.seq;
        if (isCovered && push.kind !== 'withdrawal') this.#onAcknowledged(push, device);
      }
    }
  }

  /** Judges unsent pushes about this request again: they need no withdrawal, and a running check must not send them. */
  resolved(sessionId: SessionId, permissionId: string): void {
    for (const push of this.#options.rows.ofSession(sessionId))
      if (push.permissionId === permissionId && push.kind !== 'withdrawal') this.#lookAt(push);
  }

  #onAcknowledged(push: PushRecord, { userId, deviceId }: DeviceRef): void {
    if (push.device.userId !== userId) return;
    if (push.state === 'owed') this.#lookAt(push);
    else if (push.state === 'accepted' && push.device.deviceId === deviceId) this.seen(push, 'acknowledged');
  }

  /** A failed push keeps its retry time: it is judged then. */
  #lookAt(push: PushRecord): void {
    const { rows, now } = this.#options;
    if (push.state !== 'owed' || push.attempts > 0) return;
    rows.postpone(push, now());
    this.wake();
  }

  seen(push: PushRecord, reason: string): void {
    const { rows, now } = this.#options;
    rows.change(changed(push, { state: 'seen', at: now(), reason }));
    rows.flushSoon();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    await this.#looking;
  }

  #look(): void {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = this.#run()
      .catch((error: unknown) => {
        this.#options.onError(error);
        this.#wakeIn(RETRY_MS);
      })
      .finally(() => {
        this.#looking = undefined;
        if (this.#again) this.wake();
        this.#again = false;
      });
  }

  async #run(): Promise<void> {
    const { pace, now, dispatcher } = this.#options;
    const at = now();
    const due = this.#due(at, pace.allowance(dispatcher.room));
    if (due.length > 0) {
      await this.#send(due, at);
      pace.took(due.length, due.filter(isUrgent).length);
    }
    this.#wakeForNext();
  }

  async #send(due: readonly PushRecord[], at: number): Promise<void> {
    const { rows, policy } = this.#options;
    const judged = policy.judge(
      due.map((push) => [push, rows.aboutOf(push)] as const),
      at,
    );
    const owed = judged.filter((one): one is Owed => this.#isOwed(one, at));
    const results = this.#gatherer.gather(owed, at);
    await this.#dispatch([...owed.filter(({ push }) => !isResult(push)).map(timed), ...results]);
    rows.flush();
  }

  async #dispatch(all: readonly Sendable[]): Promise<void> {
    const { dispatcher, pace } = this.#options;
    for (let from = 0, to = 0; from < all.length && !this.#closed; from = to) {
      to = from + pace.marked;
      await dispatcher.dispatch(all.slice(from, to));
    }
  }

  /** Due rows, with all results of a device that has a due one. Urgent rows come first. */
  #due(at: number, { free, paced }: Allowance): PushRecord[] {
    const urgent = this.#ready(at, 'urgent', free + paced);
    const room = paced - Math.max(0, urgent.length - free);
    const patient = this.#ready(at, 'patient', room);
    const devices = new Map(patient.filter(isResult).map(({ device }) => [deviceKey(device), device]));
    const results = [...devices.values()].flatMap((device) => this.#resultsOf(device));
    return [...urgent, ...patient.filter((push) => !isResult(push)), ...results];
  }

  /** At most this many, and for results those of at most this many devices. */
  #ready(at: number, kind: 'urgent' | 'patient', max: number): PushRecord[] {
    const found: PushRecord[] = [];
    if (max <= 0) return found;
    const devices = new Set<string>();
    for (const push of this.#options.rows.owed.due(at, kind)) {
      if (!this.#isReady(push) || (isResult(push) && devices.has(deviceKey(push.device)))) continue;
      if (isResult(push)) devices.add(deviceKey(push.device));
      found.push(push);
      if (found.length >= max) break;
    }
    return found;
  }

  /** Includes failed ones: a later result must not overtake an earlier one of its session. */
  #resultsOf(device: DeviceRef): PushRecord[] {
    return this.#options.rows.owed.resultsOf(device).filter((push) => this.#isReady(push));
  }

  /**
   * Whether it need not wait for another push of its address: for one in flight, or, without a session, for an older open
   * one. Results are gathered, and a withdrawn push is no longer owed.
   */
  #isReady(push: PushRecord): boolean {
    const { rows, dispatcher } = this.#options;
    return !dispatcher.isBlocked(push) && !rows.queues.isBehind(push);
  }

  /** A failed push is not tried before its time. */
  #postpone(push: PushRecord, until: number): void {
    const { rows, now } = this.#options;
    const at = now();
    rows.postpone(push, isResting(push, at) ? Math.max(until, push.nextTry) : Math.max(until, at + 1));
  }

  /** A row that is not owed now waits, or is done. */
  #isOwed({ push, verdict }: Judged, at: number): boolean {
    const { rows } = this.#options;
    // It was acknowledged, or forgotten, while it was judged.
    if (rows.find(push.pushId)?.state !== 'owed') return false;
    if (verdict.kind === 'owed') return true;
    if (verdict.kind === 'wait') this.#postpone(push, verdict.until);
    else if (verdict.reason === 'stale') rows.change(changed(push, { state: 'expired', at, reason: lastReason(push) }));
    else rows.change(changed(push, { state: 'suppressed', at, reason: verdict.reason }));
    return false;
  }

  #wakeForNext(): void {
    const { rows, dispatcher, pace, now } = this.#options;
    const at = now();
    const [first] = this.#due(at, ONE);
    const next = first ? rows.owed.nextUrgentAt : rows.owed.nextAt;
    const waitMs = first ? pace.waitMs(dispatcher.room, isUrgent(first)) : Number.POSITIVE_INFINITY;
    const ms = Math.min(waitMs, Math.max(0, next - at));
    if (ms < Number.POSITIVE_INFINITY) this.#wakeIn(ms);
  }

  #wakeIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.wake(), Math.min(ms, MAX_TIMER_MS));
  }
}

/** For a push that was tried and is stale now: why it failed. */
const lastReason = ({ reason, attempts }: PushRecord): string =>
  attempts > 0 && reason !== undefined ? `stale: ${reason}` : 'stale';

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
      const key = deviceKey(one.push.device);
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
      lastDigestAt: this.#lastDigests.get(deviceKey(device)),
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
    this.#lastDigests.set(deviceKey(device), at);
    return rows.queues.isBehind(digest) ? undefined : { row: digest, push: digest };
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
const isResting = ({ attempts, nextTry }: PushRecord, at: number): boolean => attempts > 0 && nextTry > at;

/** Applies the times of its verdict. */
const timed = ({ push, verdict: { at, expiresAt } }: Owed): Sendable => ({
  row: push,
  push: { ...push, dueAt: at, expiresAt },
});

/** Converts a row about a result for gathering. */
function owedResultOf(options: {
  push: PushRecord;
  about: About;
  verdict: { at: number; expiresAt: number };
  project: string;
}): OwedResult {
  const { push, about, verdict, project } = options;
  if (about.what !== 'concern' || isWaiting(about.concern) || isSpent(about.concern))
    throw new Error(`${push.kind} is no result`);
  const { pushId } = push;
  return { pushId, concern: about.concern, owedAt: verdict.at, expiresAt: verdict.expiresAt, project };
}
