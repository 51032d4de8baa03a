/** Budgets of days and weeks, at the record and in the steps of sessions; the clock is a number. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EventData } from '../../protocol/events.js';
import type { DeviceId, PromptId, SessionId } from '../../protocol/scalars.js';
import { daysAt } from '../../services/model/budgets.js';
import type { BudgetRecord } from '../../services/ports/budgets.js';
import type { PromptRecord, UserId } from '../../services/ports/records.js';
import { SqliteBudgets } from '../../services/record/sqlite/budgets.js';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import type { SqliteDatabase } from '../../services/record/sqlite/sqlite-database.js';
import { createSqliteJournal, type SqliteJournal } from '../../services/record/sqlite/sqlite-journal.js';
import { usedUp } from '../../services/sessions/machine/budgets.js';
import { acceptPrompt, continueAfterReset } from '../../services/sessions/machine/decide-command.js';
import { settle } from '../../services/sessions/machine/dispatch.js';
import type { SessionState } from '../../services/sessions/machine/session-state.js';
import { type Step, StepBuilder } from '../../services/sessions/machine/step-builder.js';
import { stateOf } from '../../services/sessions/machine/stored-state.js';
import { completeTurn } from '../../services/sessions/machine/turns.js';
import { sessionRecord } from '../support/session-record.js';

const PERSON = 'user' as UserId;
const at = (time: string) => Date.parse(`2026-${time}Z`);
const SUNDAY = at('11-29T23:59:59.999');
const MONDAY = at('11-30T00:00:00.000');

const budget = (fields: Partial<BudgetRecord> = {}): BudgetRecord => ({
  budgetId: 'b',
  userId: PERSON,
  of: 'person',
  period: 'day',
  unit: 'tokens',
  limit: 100,
  warnAt: 0.5,
  stop: false,
  madeBy: PERSON,
  createdAt: 0,
  updatedAt: 0,
  ...fields,
});

let folder: string;
let database: SqliteDatabase;
let journal: SqliteJournal;
let budgets: SqliteBudgets;
let states: Map<string, SessionState>;

const open = () => {
  database = openDatabase(join(folder, 'journal.db'));
  journal = createSqliteJournal({ database, bootId: 'boot' });
  budgets = new SqliteBudgets(database);
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'companion-budgets-'));
  states = new Map();
  open();
});

afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

const fresh = (id: string): SessionState =>
  stateOf({ record: sessionRecord(id), head: 0, prompts: [], permissions: [] });

/** The state of a session with the budgets as a step sees them. */
const seen = (id: string, now: number): SessionState => ({
  ...(states.get(id) ?? fresh(id)),
  budgets: budgets.standings({ owner: PERSON, sessionId: id as SessionId }, now),
});

const write = ({ change }: Step): void => {
  if (!change) return;
  journal.commit(change as never);
  budgets.committed(change);
};

interface Turn {
  id?: string;
  tokens?: number;
  dollars?: number;
}

const turnStep = (now: number, { id = 's', tokens = 0, dollars = 0 }: Turn): Step => {
  const builder = new StepBuilder(seen(id, now), now);
  completeTurn(builder, [], {
    subtype: 'success',
    isError: false,
    finalResult: '',
    durationMs: 1,
    numTurns: 1,
    cost: dollars,
    usage: { output_tokens: tokens, cache_read_input_tokens: 1_000_000 },
  });
  return builder.finish();
};

const toldIn = ({ publications }: Step) =>
  publications.flatMap((item) =>
    item.kind === 'event' && item.event.type === 'budget' ? [JSON.parse(item.event.data) as EventData<'budget'>] : [],
  );

/** Ends a turn, and gives what is told of budgets. */
function turn(now: number, spent: Turn): string[] {
  const step = turnStep(now, spent);
  budgets.claim(step.change?.budgetMarks ?? []);
  write(step);
  states.set(spent.id ?? 's', step.state);
  return toldIn(step).map(({ budgetId, state, used }) => `${budgetId} ${state} ${used}`);
}

describe('periods', () => {
  test.each([
    ['day', SUNDAY, { from: '2026-11-29', to: '2026-11-29', endsAt: MONDAY }],
    ['day', MONDAY, { from: '2026-11-30', to: '2026-11-30', endsAt: at('12-01T00:00:00') }],
    ['week', SUNDAY, { from: '2026-11-23', to: '2026-11-29', endsAt: MONDAY }],
    ['week', MONDAY, { from: '2026-11-30', to: '2026-12-06', endsAt: at('12-07T00:00:00') }],
    ['week', at('12-03T12:00:00'), { from: '2026-11-30', to: '2026-12-06', endsAt: at('12-07T00:00:00') }],
    ['always', SUNDAY, { from: '', to: '~', endsAt: undefined }],
  ] as const)('a %s at %d', (period, now, expected) => expect(daysAt(period, now)).toEqual(expected));

  test('a budget is told of in each period, and what was used before does not count', async () => {
    budgets.put(budget({ budgetId: 'day' }));
    budgets.put(budget({ budgetId: 'week', period: 'week', limit: 200 }));
    budgets.put(budget({ budgetId: 'ever', period: 'always', limit: 300 }));
    expect(turn(SUNDAY - 86_400_000, { tokens: 60 })).toEqual(['day warning 60']);
    expect(turn(SUNDAY, { tokens: 60 })).toEqual(['day warning 60', 'week warning 120']);
    expect(turn(SUNDAY, { tokens: 80 })).toEqual(['day exceeded 140', 'week exceeded 200', 'ever warning 200']);
    await journal.close();
    open();
    expect(turn(SUNDAY, { tokens: 1 })).toEqual([]);
    expect(turn(MONDAY, { tokens: 60 })).toEqual(['day warning 60']);
    expect(turn(MONDAY, { tokens: 40 })).toEqual(['day exceeded 100', 'week warning 100', 'ever exceeded 301']);
  });

  test('one that is left at once for both is told of as used up; one that is changed can be told of again', () => {
    budgets.put(budget());
    expect(turn(MONDAY, { tokens: 100 })).toEqual(['b exceeded 100']);
    budgets.put(budget({ limit: 150 }));
    expect(turn(MONDAY, { tokens: 1 })).toEqual(['b warning 101']);
    budgets.remove('b');
    expect(turn(MONDAY, { tokens: 500 })).toEqual([]);
  });
});

describe('who uses a budget', () => {
  test('all sessions of the person, each, or one', () => {
    budgets.put(budget({ budgetId: 'all' }));
    budgets.put(budget({ budgetId: 'each', of: 'session' }));
    budgets.put(budget({ budgetId: 'one', of: 'session', sessionId: 's' as SessionId, unit: 'dollars', limit: 1 }));
    expect(turn(MONDAY, { tokens: 40, dollars: 0.5 })).toEqual(['one warning 0.5']);
    expect(turn(MONDAY, { id: 't', tokens: 40, dollars: 9 })).toEqual(['all warning 80']);
    expect(turn(MONDAY, { id: 't', tokens: 40 })).toEqual(['all exceeded 120', 'each warning 80']);
    expect(turn(MONDAY, { tokens: 30, dollars: 0.5 })).toEqual(['each warning 70', 'one exceeded 1']);
  });

  test('a purged session has been used: its budget goes with it, its usage stays in those of its person', async () => {
    budgets.put(budget({ budgetId: 'all' }));
    budgets.put(budget({ budgetId: 'one', of: 'session', sessionId: 's' as SessionId }));
    turn(MONDAY, { tokens: 30 });
    await journal.forget('s' as SessionId);
    budgets.forgotten({ owner: PERSON, sessionId: 's' as SessionId });
    expect(turn(MONDAY, { id: 't', tokens: 19 })).toEqual([]);
    await journal.close();
    open();
    expect(budgets.list(PERSON).map(({ budgetId }) => budgetId)).toEqual(['all']);
    expect(turn(MONDAY, { id: 't', tokens: 1 })).toEqual(['all warning 50']);
    expect(turn(MONDAY + 86_400_000, { id: 't', tokens: 49 })).toEqual([]);
    budgets.forgetPerson(PERSON);
    expect(budgets.list(PERSON)).toEqual([]);
    expect(database.prepare('SELECT * FROM other_usage').all()).toEqual([]);
  });

  test('of two sessions that end their turns at once, one tells; when it cannot be written, the other does', () => {
    budgets.put(budget());
    const first = turnStep(MONDAY, { tokens: 60 });
    expect(toldIn(first)).toMatchObject([{ state: 'warning', used: 60 }]);
    const takeBack = budgets.claim(first.change?.budgetMarks ?? []);
    expect(toldIn(turnStep(MONDAY, { id: 't', tokens: 60 }))).toEqual([]);
    takeBack();
    expect(turn(MONDAY, { id: 't', tokens: 60 })).toEqual(['b warning 60']);
  });
});

describe('a budget that stops', () => {
  const prompt = (fields: Partial<PromptRecord> = {}): PromptRecord => ({
    promptId: 'p' as PromptId,
    sessionId: 's' as SessionId,
    device: { userId: PERSON, deviceId: 'd' as DeviceId },
    requestId: null,
    uuid: 'u',
    text: 'hello',
    mode: 'queue',
    state: 'queued',
    announced: false,
    createdAt: 1,
    answer: {},
    ...fields,
  });
  const settled = (waiting: PromptRecord, now: number) => {
    const builder = new StepBuilder({ ...seen('s', now), prompts: [waiting] }, now);
    settle(builder);
    return builder.finish();
  };

  test('refuses prompts until its period ends, with the time until then', () => {
    budgets.put(budget({ stop: true }));
    turn(SUNDAY, { tokens: 100 });
    const send = (now: number) => () => acceptPrompt(seen('s', now), prompt(), now);
    expect(send(SUNDAY - 999)).toThrow(
      expect.objectContaining({
        code: 'CAPACITY',
        message: 'A budget is used up: 100 tokens a day for all sessions.',
        details: {
          field: 'prompt',
          rule: 'must fit into the budget of 100 tokens a day for all sessions',
          suggestion: 'Raise or remove the budget b, or wait until 2026-11-30T00:00:00.000Z.',
          retryAfterMs: 1000,
        },
      }),
    );
    expect(send(MONDAY)().state.prompts).toHaveLength(1);
  });

  test('holds back what waits, but not what goes on with a turn that had begun', () => {
    budgets.put(budget({ stop: true }));
    turn(MONDAY, { tokens: 100 });
    expect(settled(prompt(), MONDAY)).toMatchObject({ effects: [], state: { record: { queueHeld: true } } });
    for (const begun of [prompt({ mode: 'resume' }), prompt({ announced: true })]) {
      expect(settled(begun, MONDAY).effects).toMatchObject([{ kind: 'startChild' }]);
    }
    expect(settled(prompt(), MONDAY + 86_400_000).effects).toMatchObject([{ kind: 'startChild' }]);
  });

  test('of several the one that lasts longest is named; without stop none is', () => {
    budgets.put(budget({ budgetId: 'day', stop: true }));
    budgets.put(budget({ budgetId: 'ever', period: 'always', stop: true }));
    budgets.put(budget({ budgetId: 'week', period: 'week', stop: true }));
    turn(MONDAY, { tokens: 100 });
    expect(usedUp(seen('s', MONDAY))?.budget.budgetId).toBe('ever');
    budgets.remove('ever');
    expect(usedUp(seen('s', MONDAY))?.budget.budgetId).toBe('week');
    for (const { budgetId } of budgets.list(PERSON)) budgets.put(budget({ budgetId }));
    expect(usedUp(seen('s', MONDAY))).toBeUndefined();
  });

  test('the daemon does not continue by itself after a usage limit, and says so', () => {
    budgets.put(budget({ stop: true }));
    turn(MONDAY, { tokens: 100 });
    const state = seen('s', MONDAY);
    const record = { ...state.record, autoContinue: true, limitedUntil: MONDAY };
    const step = continueAfterReset({ ...state, record }, prompt({ mode: 'resume' }), MONDAY);
    expect(step?.state).toMatchObject({ prompts: [], record: { continuedAt: MONDAY } });
    const texts = step?.publications.map((item) => (item.kind === 'event' ? item.event.data : ''));
    expect(texts?.join()).toContain('a budget is used up: the daemon does not continue by itself');
  });
});
