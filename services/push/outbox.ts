import type { SessionId } from '../../protocol/scalars.js';
import type { StoredCursor } from '../ports/journal.js';
import type { PushRecord } from '../ports/outbox.js';
import type { PushSessions } from '../ports/push-people.js';
import type { DeviceRef, UserId } from '../ports/records.js';
import type { OutboxRows } from './outbox-rows.js';
import { planResults } from './push-digest.js';
import type { PushDispatcher } from './push-dispatcher.js';
import type { Judged, PushJudge } from './push-judge.js';
import { changed, isResult, newPush } from './push-record.js';
import { owedResultOf } from './push-results.js';

export interface OutboxOptions {
  rows: OutboxRows;
  judge: PushJudge;
  dispatcher: PushDispatcher;
  sessions: PushSessions;
  epoch: string;
  now: () => number;
  onError: (error: unknown) => void;
}

/** A longer timer of Node fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Of rows looked at together; the others' turn comes when these are on their way. */
const MAX_LOOK = 256;
/** After something that should not have failed. */
const RETRY_MS = 1000;

type Owed = Judged & { verdict: Extract<Judged['verdict'], { kind: 'owed' }> };

/** Takes what is due from the rows, has it judged once more, and sends it. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #lastDigests = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #begun = false;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier daemon has left: what it was sending goes out again. */
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

  /** There is something new to look at. What is done in this turn of the event loop is seen together. */
  wake(): void {
    if (this.#closed || !this.#begun) return;
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#look();
    });
  }

  /** What waits for a person's devices is judged again, unless it was tried before. */
  judgeAgain(userId: UserId): void {
    for (const push of this.#options.rows.open()) if (push.device.userId === userId) this.#lookAt(push);
  }

  /** Rows that were written with their events. */
  took(pushes: readonly PushRecord[]): void {
    for (const push of pushes) this.#options.rows.take(push);
    if (pushes.length > 0) this.wake();
  }

  /** A device has received everything up to these positions. Nearly always nobody is owed anything of that. */
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

  #onAcknowledged(push: PushRecord, { userId, deviceId }: DeviceRef): void {
    if (push.device.userId !== userId) return;
    if (push.state === 'owed') this.#lookAt(push);
    else if (push.state === 'accepted' && push.device.deviceId === deviceId) this.seen(push, 'acknowledged');
  }

  /** What has failed keeps its time: it is judged then. */
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
    const { rows, judge, now } = this.#options;
    const dispatcher = this.#options.dispatcher;
    const at = now();
    const due = this.#due(at, Math.min(MAX_LOOK, dispatcher.room));
    const judged = await judge.judge(
      due.map((push) => [push, rows.aboutOf(push)] as const),
      at,
    );
    const owed = judged.filter((one): one is Owed => this.#isOwed(one, at));
    const sent = [
      ...owed.filter(({ push }) => !isResult(push)).map(({ push, verdict }) => timed(push, verdict)),
      ...this.#gather(owed, at),
    ];
    await dispatcher.dispatch(sent);
    await rows.flush();
    this.#wakeForNext();
  }

  /** What is due, with all results of a device that one of them is due of. */
  #due(at: number, max: number): PushRecord[] {
    const due: PushRecord[] = [];
    const devices = new Set<string>();
    for (const push of this.#ready()) {
      if (due.length + devices.size >= max) break;
      if (push.nextTry > at) continue;
      if (isResult(push)) devices.add(keyOf(push.device));
      else due.push(push);
    }
    return devices.size === 0 ? due : [...due, ...this.#resultsOf(devices)];
  }

  /** Those that failed before as well: a later result must not be overtaken by an earlier one of its session. */
  #resultsOf(devices: ReadonlySet<string>): PushRecord[] {
    return [...this.#ready()].filter((push) => isResult(push) && devices.has(keyOf(push.device)));
  }

  /**
   * What is owed and need not wait for another push of its place: for one that is under way, or, of pushes of no session,
   * for an older one that has failed. Results are gathered, and what a withdrawal takes away is not owed any more.
   */
  *#ready(): Generator<PushRecord> {
    const { rows, dispatcher } = this.#options;
    const taken = new Set<string>();
    for (const push of rows.open()) {
      if (push.state !== 'owed' || dispatcher.isBlocked(push)) continue;
      if (push.sessionId === undefined) {
        const place = `${keyOf(push.device)}/${push.collapseId}`;
        if (taken.has(place)) continue;
        taken.add(place);
      }
      yield push;
    }
  }

  /** What has failed is not tried before its time. */
  #postpone(push: PushRecord, until: number, at: number): void {
    const { rows } = this.#options;
    rows.postpone(push, isResting(push, at) ? Math.max(until, push.nextTry) : Math.max(until, at + 1));
  }

  /** What is not owed now waits, or is done. */
  #isOwed({ push, verdict }: Judged, at: number): boolean {
    const { rows } = this.#options;
    // It was acknowledged, or forgotten, while it was judged.
    if (rows.find(push.pushId)?.state !== 'owed') return false;
    if (verdict.kind === 'owed') return true;
    if (verdict.kind === 'wait') this.#postpone(push, verdict.until, at);
    else if (verdict.reason === 'stale') rows.change(changed(push, { state: 'expired', at, reason: lastReason(push) }));
    else rows.change(changed(push, { state: 'suppressed', at, reason: verdict.reason }));
    return false;
  }

  /** Results of each device: one by itself, or several as a digest. */
  #gather(owed: readonly Owed[], at: number): PushRecord[] {
    const byDevice = new Map<string, Owed[]>();
    for (const one of owed) {
      if (!isResult(one.push)) continue;
      const key = keyOf(one.push.device);
      byDevice.set(key, [...(byDevice.get(key) ?? []), one]);
    }
    return [...byDevice.values()].flatMap((results) => this.#plan(results, at) ?? []);
  }

  #plan(owed: readonly Owed[], at: number): PushRecord | undefined {
    const { rows, epoch } = this.#options;
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
    if (plan.kind === 'wait') for (const { push } of owed) this.#postpone(push, plan.until, at);
    if (plan.kind !== 'send') return undefined;
    const { push: planned } = plan;
    const pushOf = (pushId: string) => owed.find(({ push }) => push.pushId === pushId);
    if (planned.kind === 'single') {
      const single = pushOf(planned.result.pushId);
      this.#cover(planned.covers, planned.result.pushId, at);
      return single && !isResting(single.push, at) ? timed(single.push, single.verdict) : undefined;
    }
    const about = { what: 'digest', results: planned.results } as const;
    const digest = newPush({ device, about, epoch, now: at, expiresAt: planned.expiresAt });
    rows.add(digest);
    this.#cover(planned.covers, digest.pushId, at);
    this.#lastDigests.set(keyOf(device), at);
    return Array.from(this.#ready()).includes(digest) ? digest : undefined;
  }

  #resultOf(push: PushRecord, verdict: Owed['verdict']) {
    const { rows, sessions } = this.#options;
    const project = push.sessionId === undefined ? undefined : sessions.find(push.sessionId)?.project;
    return owedResultOf({ push, about: rows.aboutOf(push), verdict, project: project ?? '' });
  }

  /** Rows that are done with another one. */
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
    for (const push of rows.open()) {
      const isJudged =
        keyOf(push.device) === keyOf(device) && isResult(push) && push.state === 'owed' && push.nextTry > at;
      if (isJudged && push.attempts === 0 && push.sessionId !== undefined) expected.add(push.sessionId);
    }
    return expected;
  }

  #wakeForNext(): void {
    const { dispatcher, now } = this.#options;
    if (dispatcher.room === 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const { nextTry } of this.#ready()) next = Math.min(next, nextTry);
    if (next < Number.POSITIVE_INFINITY) this.#wakeIn(Math.max(0, next - now()));
  }

  #wakeIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.wake(), Math.min(ms, MAX_TIMER_MS));
  }
}

const timed = (push: PushRecord, { at, expiresAt }: Owed['verdict']): PushRecord => ({ ...push, dueAt: at, expiresAt });

/** Whether it has failed, and its next try is still to come. */
const isResting = ({ attempts, nextTry }: PushRecord, at: number): boolean => attempts > 0 && nextTry > at;

/** Of what was tried and is stale now: why it did not succeed. */
const lastReason = ({ reason, attempts }: PushRecord): string =>
  attempts > 0 && reason !== undefined ? `stale: ${reason}` : 'stale';

const keyOf = ({ userId, deviceId }: DeviceRef) => `${userId}/${deviceId}`;
