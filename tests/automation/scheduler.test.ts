/** What a schedule does when daemons die, machines sleep and clocks are set. Time is the test's own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { CompanionError } from '../../protocol/error-codes.js';
import type { PromptId, SessionId } from '../../protocol/scalars.js';
import { Scheduler, type SentPrompt } from '../../services/automation/scheduler.js';
import type { UserId } from '../../services/ports/records.js';
import type { NewSchedule, RunRecord, ScheduleRecord } from '../../services/ports/schedules.js';
import { createSqliteSchedules } from '../../services/record/sqlite/schedules.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';

const NOON = Date.parse('2030-06-03T12:00:00Z');
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const owner = 'owner' as UserId;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let folder: string;
let database: ReturnType<typeof openDatabase>;
let store: ReturnType<typeof createSqliteSchedules>;
let scheduler: Scheduler;
/** What the journal knows, by the request id that follows from the run. */
let sent: Map<string, SentPrompt>;
/** What was sent, in order: schedule and due time. */
let prompts: { name: string; dueAt: number; at: number }[];
/** What sending does before it is on record. */
let onSend: (run: RunRecord) => Promise<void>;
let people: Set<UserId>;

const keyOf = ({ scheduleId, dueAt }: RunRecord) => `${scheduleId} ${dueAt}`;

function begin(): void {
  scheduler = new Scheduler({
    store,
    send: async (schedule, run) => {
      await onSend(run);
      const known = sent.get(keyOf(run));
      if (known) return known;
      const prompt = { sessionId: 's' as SessionId, promptId: `p${sent.size}` as PromptId };
      sent.set(keyOf(run), prompt);
      prompts.push({ name: schedule.name ?? '', dueAt: run.dueAt, at: Date.now() });
      return prompt;
    },
    findSent: (run) => sent.get(keyOf(run)),
    isPerson: (userId) => people.has(userId),
    now: () => Date.now(),
    log: silent,
  });
  scheduler.begin();
}

beforeEach(() => {
  jest.useFakeTimers({ now: NOON });
  folder = mkdtempSync(join(tmpdir(), 'companion-schedules-'));
  database = openDatabase(join(folder, 'journal.db'));
  store = createSqliteSchedules(database);
  sent = new Map();
  prompts = [];
  onSend = async () => {};
  people = new Set([owner]);
  begin();
});

afterEach(async () => {
  await scheduler.close();
  database.close();
  jest.useRealTimers();
  rmSync(folder, { recursive: true });
});

const add = (given: Partial<NewSchedule>): ScheduleRecord =>
  scheduler.add({
    userId: owner,
    target: { sessionId: 's' as SessionId },
    prompt: 'Go.',
    scopes: ['prompt'],
    createdBy: 'phone',
    missed: 'skip',
    ...(given.at === undefined && { timeZone: 'UTC' }),
    ...given,
  });
const passes = (ms: number) => jest.advanceTimersByTimeAsync(ms);
const runsOf = ({ scheduleId }: ScheduleRecord) => scheduler.listRuns(scheduleId);
const shortRuns = (schedule: ScheduleRecord) =>
  runsOf(schedule).map(({ state, dueAt, missed }) => [state, (dueAt - NOON) / MINUTE_MS, missed]);

/** The daemon is gone for so long; what it was about to send is lost. */
async function isAway(ms: number): Promise<void> {
  const back = Date.now() + ms;
  // It sets the clock to its beginning as well.
  jest.clearAllTimers();
  jest.setSystemTime(back);
  begin();
  await passes(0);
}

describe('a due time', () => {
  test('is met at its millisecond, once, and the next one after it', async () => {
    const schedule = add({ name: 'a', cron: '*/5 * * * *' });
    await passes(5 * MINUTE_MS - 1);
    expect(prompts).toEqual([]);
    await passes(1);
    expect(prompts).toEqual([{ name: 'a', dueAt: NOON + 5 * MINUTE_MS, at: NOON + 5 * MINUTE_MS }]);
    await passes(10 * MINUTE_MS);
    expect(shortRuns(schedule)).toEqual([
      ['sent', 15, undefined],
      ['sent', 10, undefined],
      ['sent', 5, undefined],
    ]);
  });

  test('needs no timer where nothing is to come, and one where a thousand schedules wait', async () => {
    expect(jest.getTimerCount()).toBe(0);
    const all = Array.from({ length: 1000 }, (_, index) => add({ cron: `${index % 60} 3 * * *` }));
    expect(jest.getTimerCount()).toBe(1);
    expect(() => add({ cron: '@daily' })).toThrow(expect.objectContaining({ code: 'CONFLICT' }));
    for (const schedule of all) scheduler.remove(schedule);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('that is days away is met', async () => {
    add({ name: 'far', at: NOON + 2 * 24 * HOUR_MS });
    await passes(2 * 24 * HOUR_MS - 1);
    expect(prompts).toEqual([]);
    await passes(1);
    expect(prompts).toHaveLength(1);
  });

  test('of a paused schedule does not come, and is not missed', async () => {
    const schedule = add({ cron: '* * * * *' });
    const paused = scheduler.change(schedule, { enabled: false });
    await passes(HOUR_MS);
    expect(runsOf(schedule)).toEqual([]);
    expect(scheduler.change(paused, { enabled: true }).nextAt).toBe(NOON + HOUR_MS + MINUTE_MS);
  });

  test('whose prompt is refused is on record with the reason, and the next one comes', async () => {
    const schedule = add({ cron: '* * * * *' });
    onSend = async () => {
      throw new CompanionError('CAPACITY', 'Too much.');
    };
    await passes(MINUTE_MS);
    onSend = async () => {};
    await passes(MINUTE_MS);
    expect(runsOf(schedule)).toMatchObject([{ state: 'sent' }, { state: 'failed', error: { code: 'CAPACITY' } }]);
  });

  test('that cannot be recorded waits for the disk', async () => {
    const schedule = add({ cron: '*/5 * * * *' });
    database.pragma('query_only = ON');
    await passes(5 * MINUTE_MS + 30_000);
    expect(prompts).toEqual([]);
    database.pragma('query_only = OFF');
    await passes(1000);
    expect(shortRuns(schedule)).toEqual([['sent', 5, undefined]]);
  });
});

describe('without a daemon', () => {
  test('a time that passed within two minutes is met late, others are on record as missed', async () => {
    const schedule = add({ cron: '0 * * * *' });
    await isAway(3 * HOUR_MS + 119_000);
    expect(shortRuns(schedule)).toEqual([
      ['sent', 180, undefined],
      ['missed', 60, 2],
    ]);
    await isAway(HOUR_MS);
    expect(shortRuns(schedule)[0]).toEqual(['sent', 240, undefined]);
    await isAway(HOUR_MS + 10 * MINUTE_MS);
    expect(shortRuns(schedule)[0]).toEqual(['missed', 300, 1]);
    expect(prompts).toHaveLength(2);
  });

  test('all missed times are sent once where that was asked for', async () => {
    const schedule = add({ cron: '0 * * * *', missed: 'once' });
    const one = add({ at: NOON + HOUR_MS, missed: 'once' });
    const other = add({ at: NOON + HOUR_MS });
    await isAway(30 * HOUR_MS + 10 * MINUTE_MS);
    expect(shortRuns(schedule)).toEqual([['sent', 30 * 60, 30]]);
    expect(shortRuns(one)).toEqual([['sent', 60, 1]]);
    expect(shortRuns(other)).toEqual([['missed', 60, 1]]);
    await isAway(10 * MINUTE_MS);
    expect(prompts).toHaveLength(2);
    expect(scheduler.require(owner, schedule.scheduleId).nextAt).toBe(NOON + 31 * HOUR_MS);
  });

  test('a year of minutes is counted up to a thousand', async () => {
    const schedule = add({ cron: '* * * * *' });
    await isAway(365 * 24 * HOUR_MS);
    expect(shortRuns(schedule)).toEqual([['missed', 1, 1000]]);
    expect(scheduler.require(owner, schedule.scheduleId).nextAt).toBe(Date.now() + MINUTE_MS);
  });

  test('the schedules of a person who was removed end', async () => {
    add({ cron: '* * * * *' });
    people.delete(owner);
    await isAway(0);
    expect([scheduler.list(owner), store.readAll(), jest.getTimerCount()]).toEqual([[], [], 0]);
  });
});

describe('a daemon that dies', () => {
  const never = () => new Promise<void>(() => {});

  test('between the claim and the prompt leaves it to the next one, which sends it once', async () => {
    const schedule = add({ cron: '0 * * * *' });
    onSend = never;
    await passes(HOUR_MS);
    expect(shortRuns(schedule)).toEqual([['due', 60, undefined]]);
    onSend = async () => {};
    await isAway(1000);
    await isAway(1000);
    expect(shortRuns(schedule)).toEqual([['sent', 60, undefined]]);
    expect(prompts).toHaveLength(1);
  });

  test('before the outcome is on record has sent it, and the next one says so', async () => {
    const schedule = add({ cron: '0 * * * *' });
    onSend = (run) => {
      sent.set(keyOf(run), { sessionId: 's' as SessionId, promptId: 'accepted' as PromptId });
      return never();
    };
    await passes(HOUR_MS);
    await isAway(5 * HOUR_MS + 10 * MINUTE_MS);
    expect(prompts).toEqual([]);
    expect(runsOf(schedule)).toMatchObject([
      { state: 'missed', missed: 5 },
      { state: 'sent', promptId: 'accepted' },
    ]);
  });

  test('and stays away leaves it missed, unless it is to be sent once', async () => {
    const [skip, once] = [add({ cron: '0 13 3 6 *' }), add({ cron: '0 13 3 6 *', missed: 'once' })];
    onSend = never;
    await passes(HOUR_MS);
    onSend = async () => {};
    await isAway(2 * HOUR_MS);
    expect([shortRuns(skip), shortRuns(once)]).toEqual([[['missed', 60, 1]], [['sent', 60, undefined]]]);
  });
});

describe('a clock', () => {
  test('that sleeps with the machine shows what was missed within a minute', async () => {
    const schedule = add({ cron: '0 * * * *' });
    await passes(10 * MINUTE_MS);
    jest.setSystemTime(Date.now() + 5 * HOUR_MS);
    await passes(MINUTE_MS);
    expect(shortRuns(schedule)).toEqual([['missed', 60, 5]]);
  });

  test('that is set back lets no time run again that has run, and no time be left out', async () => {
    const schedule = add({ cron: '0 * * * *' });
    await passes(2 * HOUR_MS);
    jest.setSystemTime(NOON + 30 * MINUTE_MS);
    await passes(4 * HOUR_MS);
    expect(shortRuns(schedule).map(([state, due]) => [state, due])).toEqual([
      ['sent', 240],
      ['sent', 180],
      ['sent', 120],
      ['sent', 60],
    ]);
    expect(prompts).toHaveLength(4);
  });

  test('that was a year ahead, also while no daemon ran, does not keep schedules from running', async () => {
    const schedule = add({ cron: '0 * * * *' });
    await isAway(365 * 24 * HOUR_MS);
    jest.setSystemTime(NOON + 30 * MINUTE_MS);
    await isAway(0);
    expect(scheduler.require(owner, schedule.scheduleId).nextAt).toBe(NOON + HOUR_MS);
    await passes(2 * HOUR_MS);
    expect(prompts.map(({ dueAt }) => dueAt)).toEqual([NOON + 2 * HOUR_MS]);
  });
});
