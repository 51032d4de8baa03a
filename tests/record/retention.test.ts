/** What is removed when, on the real journal and with a clock that can be moved. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { DeviceId, PermissionId, PromptId, SessionId } from '../../protocol/scalars.js';
import type { Journal } from '../../services/ports/journal.js';
import type { EventRecord, PermissionRecord, PromptRecord, UserId } from '../../services/ports/records.js';
import { DamageGuard } from '../../services/record/damage/damage-guard.js';
import { createRetention } from '../../services/record/retention/retention.js';
import { SteadyClock } from '../../services/record/retention/steady-clock.js';
import { createTrim, type RetentionLimits } from '../../services/record/retention/trim.js';
import { Extents } from '../../services/record/sqlite/extents.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import type { SqliteDatabase } from '../../services/record/sqlite/sqlite-database.js';
import { createSqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { sessionRecord } from '../support/session-record.js';
import { waitUntil } from '../support/wait-until.js';

const DAY = 86_400_000;
const NOW = 100 * DAY;
const sessionId = 'session' as SessionId;
const EVERYTHING: RetentionLimits = { days: 1000, events: 1_000_000, bytes: 1e12 };

let folder: string;
let database: SqliteDatabase;
let extents: Extents;
let journal: Journal & { close(): Promise<void> };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-retention-'));
  database = openDatabase(join(folder, 'journal.db'));
  extents = new Extents(database);
  journal = createSqliteJournal({ database, bootId: 'boot', extents });
});

afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true });
});

interface Given {
  id?: SessionId;
  events?: Pick<EventRecord, 'seq' | 'at' | 'data' | 'type'>[];
  prompts?: PromptRecord[];
  permissions?: PermissionRecord[];
}

const commit = ({ id, events = [], prompts = [], permissions = [] }: Given): void =>
  journal.commit({ record: sessionRecord(id ?? sessionId), events, prompts, permissions });

const event = (seq: number, at = NOW, data = '{}') => ({ seq, at, data, type: 'sessionStatus' as const });

/** Commits events 1 to `count`. */
const fill = (count: number, at: (seq: number) => number = () => NOW, data = '{}') =>
  commit({ events: Array.from({ length: count }, (_, index) => event(index + 1, at(index + 1), data)) });

function trimAll(limits: Partial<RetentionLimits>, now = NOW): { batches: number; expired: Record<string, number> } {
  const trim = createTrim({ database, extents, limits: { ...EVERYTHING, ...limits } });
  const expired: Record<string, number> = {};
  for (let batches = 1; ; batches += 1) {
    const trimmed = trim(sessionId, now);
    for (const [limit, count] of trimmed.expired) expired[limit] = (expired[limit] ?? 0) + count;
    if (!trimmed.more) return { batches, expired };
  }
}

/** What is there, read past the journal. */
const kept = (): number[] =>
  database.prepare<[string], number>('SELECT seq FROM events WHERE session_id = ? ORDER BY seq').pluck().all(sessionId);

const prompt = (name: string, ended?: number): PromptRecord => ({
  promptId: name as PromptId,
  sessionId,
  device: { userId: 'user' as UserId, deviceId: 'phone' as DeviceId },
  requestId: name,
  uuid: name,
  text: 'x'.repeat(5000),
  mode: 'queue',
  state: ended === undefined ? 'queued' : 'completed',
  announced: false,
  createdAt: 0,
  answer: {},
  ...(ended !== undefined && { endedAt: ended }),
});

const permission = (permissionId: string, decision?: 'allow'): PermissionRecord => ({
  permissionId: permissionId as PermissionId,
  sessionId,
  childId: 'child',
  ask: { requestId: 'r', toolUseId: permissionId, toolName: 'Bash', input: { command: 'x' } },
  createdAt: 0,
  ...(decision && { decision }),
});

describe('D3: retention', () => {
  test('by events: exactly so many are kept, oldest removed first, in batches', async () => {
    fill(1000);
    const { batches, expired } = trimAll({ events: 150 });
    expect(kept()).toEqual(Array.from({ length: 150 }, (_, index) => 851 + index));
    expect(journal.firstSeq(sessionId)).toBe(851);
    expect(expired).toEqual({ events: 850 });
    expect(batches).toBeGreaterThan(8);
  });

  test('by bytes: at most so many are kept, of UTF-8, and a batch is bounded by them as well', async () => {
    const data = JSON.stringify({ text: 'é'.repeat(50_000) });
    fill(60, undefined, data);
    const { batches, expired } = trimAll({ bytes: 10 * Buffer.byteLength(data) + 1 });
    expect(kept()).toEqual(Array.from({ length: 10 }, (_, index) => 51 + index));
    expect(expired).toEqual({ bytes: 50 });
    expect(batches).toBeGreaterThan(4);
  });

  test('by days, but never past one that is younger: seqs tell the order, not clocks', async () => {
    const ages = [40, 40, 40, 2, 40, 40, 1];
    fill(ages.length, (seq) => NOW - (ages[seq - 1] ?? 0) * DAY);
    expect(trimAll({ days: 30 }).expired).toEqual({ days: 3 });
    expect(kept()).toEqual([4, 5, 6, 7]);
    expect(trimAll({ days: 30 }, NOW + 29 * DAY).expired).toEqual({ days: 3 });
    expect(kept()).toEqual([7]);
  });

  test('the newest event stays, however old and large', async () => {
    fill(3, () => 0, JSON.stringify('x'.repeat(100)));
    trimAll({ days: 1, events: 1, bytes: 1 });
    expect(kept()).toEqual([3]);
    commit({ events: [event(4)] });
    expect(kept()).toEqual([3, 4]);
  });

  test('an unanswered permission request stays behind alone, and goes when it is answered', async () => {
    const data = JSON.stringify({ permissionId: 'asked' });
    commit({ events: [event(1), { seq: 2, at: NOW, data, type: 'permissionRequest' }, event(3), event(4)] });
    commit({ permissions: [permission('asked')] });
    trimAll({ events: 1 });
    expect(kept()).toEqual([2, 4]);
    expect(journal.firstSeq(sessionId)).toBe(4);
    commit({ permissions: [permission('asked', 'allow')] });
    trimAll({ events: 1 });
    expect(kept()).toEqual([4]);
  });

  test('prompts that wait stay; those that ended keep their request id for as many days as events are kept', async () => {
    fill(1);
    commit({ prompts: [prompt('waits'), prompt('old', NOW - 31 * DAY), prompt('young', NOW - 29 * DAY)] });
    commit({ permissions: [permission('open'), permission('done', 'allow')] });
    trimAll({ days: 30 });
    expect(journal.findPrompt('waits' as PromptId)?.text).toHaveLength(5000);
    expect(journal.findPrompt('young' as PromptId)?.text).toHaveLength(1000);
    expect(journal.findPrompt('old' as PromptId)).toBeUndefined();
    expect(journal.findPermission(sessionId, 'open' as PermissionId)?.ask.input).toEqual({ command: 'x' });
    expect(journal.findPermission(sessionId, 'done' as PermissionId)).toBeUndefined();
  });

  test('a forgotten session leaves nothing, also when the end of the process came in between', async () => {
    fill(350);
    const other = 'other' as SessionId;
    commit({ id: other, events: [event(1)] });
    await journal.forget(sessionId);
    expect(kept()).toEqual([]);
    database
      .prepare(`INSERT INTO events (session_id, seq, type, at, data) VALUES ('session', 1, 'error', 0, '{}')`)
      .run();
    trimAll({});
    expect(kept()).toEqual([]);
    expect(journal.readEvents({ sessionId: other, after: 0, limit: 9 })).toHaveLength(1);
  });
});

describe('D3: the clock of retention', () => {
  const clocks = (last?: number) => {
    const time = { wall: NOW, monotonic: 5000 };
    const clock = new SteadyClock({
      wall: () => time.wall,
      monotonic: () => time.monotonic,
      ...(last !== undefined && { last }),
    });
    const pass = (ms: number) => {
      time.wall += ms;
      time.monotonic += ms;
    };
    return { clock, time, pass };
  };

  test.each([DAY, DAY / 24])('does not follow a jump ahead of %d ms that is taken back within the hour', (jump) => {
    const { clock, time, pass } = clocks();
    time.wall += jump;
    expect(clock.now()).toBe(NOW);
    pass(3_500_000);
    expect(clock.now()).toBe(NOW + 3_500_000);
    time.wall -= jump;
    pass(600_000);
    expect(clock.now()).toBe(NOW + 4_100_000);
  });

  test('believes a jump ahead that lasts: a machine that slept, a clock that was set right', () => {
    const { clock, time, pass } = clocks();
    time.wall += 8 * 3_600_000;
    clock.now();
    pass(3_600_000);
    expect(clock.now()).toBe(time.wall);
  });

  test.each([DAY, DAY / 24])('follows a jump back of %d ms at once', (jump) => {
    const { clock, time } = clocks();
    time.wall -= jump;
    expect(clock.now()).toBe(NOW - jump);
  });

  test('remembers over a restart what it believed', () => {
    const { clock, pass, time } = clocks(NOW - DAY);
    expect(clock.now()).toBe(NOW - DAY);
    pass(3_600_000);
    expect(clock.now()).toBe(time.wall);
  });
});

describe('D3: a journal that takes nothing', () => {
  test('is no reason to end: the round is left out and said so, and the next one does its work', async () => {
    const timers: (() => void)[] = [];
    const warned: string[] = [];
    const later = jest.spyOn(globalThis, 'setTimeout').mockImplementation(((round: () => void) => {
      timers.push(round);
      return { unref: () => undefined };
    }) as unknown as typeof setTimeout);
    fill(20);
    const retention = createRetention({
      database,
      extents,
      blobs: journal.blobs,
      guard: new DamageGuard(() => {}),
      limits: { ...EVERYTHING, events: 5 },
      now: () => NOW,
      onExpired: () => {},
      log: { debug: () => {}, info: () => {}, error: () => {}, warn: (message) => void warned.push(message) },
    });
    later.mockRestore();
    database.pragma('query_only = ON');
    expect(() => timers[0]?.()).not.toThrow();
    expect(warned).toEqual(['old events cannot be looked for']);
    database.pragma('query_only = OFF');
    timers[0]?.();
    await waitUntil('they are gone', () => kept().length === 5);
    await retention.close();
  });
});
