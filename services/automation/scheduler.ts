import { nanoid } from 'nanoid';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { Log } from '../ports/log.js';
import type { UserId } from '../ports/records.js';
import type {
  NewSchedule,
  RunRecord,
  ScheduleChange,
  ScheduleRecord,
  ScheduleStore,
  Schedules,
} from '../ports/schedules.js';
import { dueUntil, nextDue, requireDue } from './due-times.js';

/** The prompt that came of a run. */
export interface SentPrompt {
  sessionId: SessionId;
  promptId: PromptId;
}

export interface SchedulerOptions {
  store: ScheduleStore;
  /** Sends the prompt; the run decides its request id, so that a second call sends nothing more. */
  send: (schedule: ScheduleRecord, run: RunRecord) => Promise<SentPrompt>;
  /** What was sent for this run before. */
  findSent: (run: RunRecord) => SentPrompt | undefined;
  isPerson: (userId: UserId) => boolean;
  now: () => number;
  log: Log;
}

/** Of one person; a higher number is a mistake. */
const MAX_SCHEDULES = 1000;
/** A prompt that is later than this is missed: a start of the daemon, and the next look after a sleep, are earlier. */
const GRACE_MS = 120_000;
/** How often to look at the clock while something is to come: a machine can sleep, and its clock be set. */
const LOOK_MS = 60_000;
/** A prompt can wait for a CLI, and the end of the daemon cannot. */
const LEAVE_MS = 300;
/** After a disk has refused a write. */
const AGAIN_MS = 1000;

/**
 * Sends prompts when they are due. A due time is claimed by a row of its own before its prompt is sent, under a request
 * id that follows from the row, so that it is sent at most once whatever ends the daemon. One timer waits for the next
 * due time; there is none where nothing is to come.
 */
export class Scheduler implements Schedules {
  readonly #options: SchedulerOptions;
  readonly #schedules = new Map<string, ScheduleRecord>();
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isOpen = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Reads what there is, ends what an earlier daemon had begun, and sends from now on. The sessions are known. */
  begin(): void {
    const { store, now, isPerson } = this.#options;
    this.#isOpen = true;
    for (const schedule of store.readAll()) this.#schedules.set(schedule.scheduleId, schedule);
    for (const userId of new Set([...this.#schedules.values()].map((schedule) => schedule.userId)))
      if (!isPerson(userId)) this.forgetPerson(userId);
    const at = now();
    for (const run of store.readDue()) this.#finishOld(run, at);
    if ([...this.#schedules.values()].some(({ lastDueAt = 0 }) => lastDueAt > at)) this.#realign(at);
    this.#look();
  }

  list(userId: UserId): ScheduleRecord[] {
    return [...this.#schedules.values()].filter((schedule) => schedule.userId === userId);
  }

  require(userId: UserId, scheduleId: string): ScheduleRecord {
    const found = this.#schedules.get(scheduleId);
    if (found?.userId === userId) return found;
    throw new CompanionError('NOT_FOUND', 'There is no such schedule.', { field: 'id' });
  }

  add(given: NewSchedule): ScheduleRecord {
    const now = this.#options.now();
    if (this.list(given.userId).length >= MAX_SCHEDULES) {
      throw new CompanionError('CONFLICT', `A person has at most ${MAX_SCHEDULES} schedules.`, {
        suggestion: 'Delete schedules that are over.',
      });
    }
    const nextAt = requireDue(given, now);
    const scheduleId = `sch_${nanoid()}`;
    return this.#keep(zoned({ scheduleId, ...given, enabled: true, nextAt, createdAt: now, updatedAt: now }));
  }

  change(before: ScheduleRecord, change: ScheduleChange): ScheduleRecord {
    const now = this.#options.now();
    const isMoved = change.at !== undefined || change.cron !== undefined || change.timeZone !== undefined;
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const changed = zoned({ ...before, ...given, updatedAt: now });
    if (change.at !== undefined) Object.assign(changed, { cron: undefined, timeZone: undefined });
    if (change.cron !== undefined) changed.at = undefined;
    if (changed.timeZone !== undefined && changed.cron === undefined) throw invalid('timeZone', 'needs cron');
    const nextAt = isMoved ? requireDue(changed, now) : before.enabled ? before.nextAt : nextDue(changed, now);
    return this.#keep({ ...changed, nextAt: changed.enabled ? nextAt : undefined });
  }

  remove({ scheduleId }: ScheduleRecord): void {
    this.#options.store.remove(scheduleId);
    this.#schedules.delete(scheduleId);
    this.#look();
  }

  runNow(schedule: ScheduleRecord): RunRecord {
    const { store, now } = this.#options;
    const { scheduleId, userId } = schedule;
    // Two of one millisecond are two.
    for (let dueAt = now(); ; dueAt += 1) {
      const run: RunRecord = { runId: `run_${nanoid()}`, scheduleId, userId, dueAt, state: 'due', manual: true };
      const [claimed] = store.claim(schedule, [run]);
      if (!claimed) continue;
      this.#start(schedule, claimed);
      return claimed;
    }
  }

  lastRun(scheduleId: string): RunRecord | undefined {
    return this.#options.store.lastRun(scheduleId);
  }

  listRuns(scheduleId: string): RunRecord[] {
    return this.#options.store.listRuns(scheduleId);
  }

  forgetPerson(userId: UserId): void {
    this.#options.store.forgetPerson(userId);
    for (const { scheduleId } of this.list(userId)) this.#schedules.delete(scheduleId);
    this.#look();
  }

  /** Sends nothing more. Resolves when what is being sent is on record, or soon: the next daemon sends the rest. */
  async close(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LEAVE_MS);
    });
    await Promise.race([Promise.all(this.#running), late]);
    clearTimeout(timer);
  }

  #keep(schedule: ScheduleRecord): ScheduleRecord {
    this.#options.store.write(schedule);
    this.#schedules.set(schedule.scheduleId, schedule);
    this.#look();
    return schedule;
  }

  /** Sends what is due, and waits for what is next. */
  #look(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#isOpen) return;
    const now = this.#options.now();
    if (now < this.#lookedAt - AGAIN_MS) this.#realign(now);
    this.#lookedAt = now;
    const refused = [...this.#schedules.values()].filter((one) => isDue(one, now) && !this.#claim(one, now));
    const next = Math.min(...[...this.#schedules.values()].map(({ nextAt = Number.POSITIVE_INFINITY }) => nextAt));
    if (next === Number.POSITIVE_INFINITY) return;
    const wait = refused.length > 0 ? AGAIN_MS : Math.min(LOOK_MS, Math.max(0, next - this.#options.now()));
    this.#timer = setTimeout(() => this.#look(), wait).unref();
  }

  /** The clock was set back: times that it came past wrongly come again, but none that was claimed. */
  #realign(now: number): void {
    for (const schedule of this.#schedules.values()) {
      if (schedule.cron === undefined || !schedule.enabled) continue;
      const nextAt = nextDue(schedule, now);
      if (nextAt !== schedule.nextAt) this.#schedules.set(schedule.scheduleId, { ...schedule, nextAt });
    }
  }

  /** Returns whether the times that are due are on record now. */
  #claim(schedule: ScheduleRecord, now: number): boolean {
    const { store, log } = this.#options;
    const { nextAt: first = now, scheduleId } = schedule;
    try {
      const { last, count } = dueUntil(schedule, first, now);
      const moved = { ...schedule, nextAt: nextDue(schedule, Math.max(last, now)), lastDueAt: last };
      const runs = store.claim(moved, runsFor(schedule, { first, last, count, now }));
      this.#schedules.set(scheduleId, moved);
      for (const run of runs) if (run.state === 'due') this.#start(moved, run);
      return true;
    } catch (error) {
      log.error('what is due cannot be recorded', { scheduleId, error: String(error) });
      return false;
    }
  }

  /** What an earlier daemon has claimed. */
  #finishOld(run: RunRecord, now: number): void {
    const schedule = this.#schedules.get(run.scheduleId);
    const sent = this.#options.findSent(run);
    const isLate = now - run.dueAt > GRACE_MS && schedule?.missed === 'skip';
    if (!schedule || sent) this.#options.store.writeRun({ ...run, state: sent ? 'sent' : 'failed', ...sent });
    else if (isLate) this.#options.store.writeRun({ ...run, state: 'missed', missed: 1 });
    else this.#start(schedule, run);
  }

  #start(schedule: ScheduleRecord, run: RunRecord): void {
    const running = this.#send(schedule, run).catch((error: unknown) => {
      this.#options.log.error('the outcome of a schedule cannot be recorded', { error: String(error) });
    });
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  async #send(schedule: ScheduleRecord, run: RunRecord): Promise<void> {
    const { store, send, now, log } = this.#options;
    const { scheduleId } = schedule;
    const startedAt = now();
    try {
      const sent = await send(schedule, run);
      store.writeRun({ ...run, state: 'sent', startedAt, ...sent });
      log.info('schedule', { scheduleId, ...sent, lateMs: startedAt - run.dueAt });
    } catch (error) {
      // A daemon that closes refuses: the next one sends it.
      if (!this.#isOpen) return;
      const failure = failureOf(error);
      if (failure.code === 'INTERNAL_ERROR') log.error('a schedule failed', { scheduleId, error: String(error) });
      store.writeRun({ ...run, state: 'failed', startedAt, error: failure });
    }
  }
}

/** A time zone that is not given is that of the machine, and stays the same when the machine travels. */
function zoned(schedule: ScheduleRecord): ScheduleRecord {
  if (schedule.cron === undefined || schedule.timeZone !== undefined) return schedule;
  return { ...schedule, timeZone: new Intl.DateTimeFormat().resolvedOptions().timeZone };
}

const isDue = ({ nextAt }: ScheduleRecord, now: number): boolean => nextAt !== undefined && nextAt <= now;

interface Due {
  first: number;
  last: number;
  count: number;
  now: number;
}

/** One prompt at most, for the last due time; the others are on record together. */
function runsFor({ scheduleId, userId, missed }: ScheduleRecord, { first, last, count, now }: Due): RunRecord[] {
  const run = (dueAt: number, rest: Pick<RunRecord, 'state' | 'missed'>): RunRecord => ({
    runId: `run_${nanoid()}`,
    scheduleId,
    userId,
    dueAt,
    ...rest,
  });
  const isLate = now - last > GRACE_MS;
  if (isLate && missed === 'skip') return [run(first, { state: 'missed', missed: count })];
  const sent = run(last, { state: 'due', ...(isLate && { missed: count }) });
  return count === 1 || isLate ? [sent] : [run(first, { state: 'missed', missed: count - 1 }), sent];
}

function failureOf(error: unknown): NonNullable<RunRecord['error']> {
  if (error instanceof CompanionError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL_ERROR', message: 'The prompt could not be sent.' };
}
