import type { BudgetState } from '../../../protocol/budgets.js';
import type { EventData } from '../../../protocol/events.js';
import type { SessionId } from '../../../protocol/scalars.js';
import { dayOf, daysAt, isWithin, tokensOf } from '../../model/budgets.js';
import { newId } from '../../model/new-id.js';
import type { BudgetDays, BudgetRecord, BudgetStanding, BudgetStore } from '../../ports/budgets.js';
import type { BudgetMark, SessionChange, UserId } from '../../ports/records.js';
import { DamageGuard } from '../damage/damage-guard.js';
import { type BudgetRow, budgetOf, budgetRow, type MarkRow, markOf } from './budget-rows.js';
import { insertInto, rowCheckOf, SUMMED_COLUMNS, summedValues, type TableName } from './row-sums.js';
import type { SqliteDatabase } from './sqlite-database.js';
import { type Amounts, prepareOtherUsage, prepareUsageSums } from './usage-sums.js';

/** What a session, or all of a person's, have used in some days. */
interface Total extends Amounts, Pick<BudgetDays, 'from' | 'to'> {
  sessionId: SessionId | '';
}

/** Totals of a person that are kept: more are read again. */
const MAX_TOTALS = 500;
const NONE: readonly never[] = [];

/** Budgets in the journal's database. They are few, and in memory; so is what has been used, once it was asked for. */
export class SqliteBudgets implements BudgetStore {
  readonly #guard: DamageGuard;
  readonly #writes: ReturnType<typeof prepareWrites>;
  readonly #sums: ReturnType<typeof prepareUsageSums>;
  readonly #byPerson = new Map<UserId, readonly BudgetRecord[]>();
  readonly #told = new Map<string, BudgetMark>();
  readonly #totals = new Map<UserId, Map<string, Total>>();

  constructor(database: SqliteDatabase, guard = new DamageGuard(() => {})) {
    this.#guard = guard;
    this.#writes = prepareWrites(database);
    this.#sums = prepareUsageSums(database);
    const check = rowCheckOf(database);
    const budgets = database.prepare<[], BudgetRow>('SELECT * FROM budgets ORDER BY rowid').all();
    for (const row of budgets) this.#keep(budgetOf(check('budgets', row)));
    for (const row of database.prepare<[], MarkRow>('SELECT * FROM budget_marks').iterate()) {
      this.#mark(markOf(check('budget_marks', row)));
    }
  }

  list(userId: UserId): readonly BudgetRecord[] {
    return this.#byPerson.get(userId) ?? NONE;
  }

  find(budgetId: string): BudgetRecord | undefined {
    for (const budgets of this.#byPerson.values()) {
      const found = budgets.find((budget) => budget.budgetId === budgetId);
      if (found) return found;
    }
    return undefined;
  }

  create(budget: Omit<BudgetRecord, 'budgetId'>): BudgetRecord {
    const created = { ...budget, budgetId: newId() };
    this.put(created);
    return created;
  }

  put(budget: BudgetRecord): void {
    this.#guard.write(() => this.#writes.put(budgetRow(budget)));
    this.#keep(budget);
    this.#forgetTold(budget.budgetId);
  }

  remove(budgetId: string): void {
    this.#guard.write(() => this.#writes.remove(budgetId));
    for (const [userId, budgets] of this.#byPerson) this.#retain(userId, budgets, (one) => one.budgetId !== budgetId);
    this.#forgetTold(budgetId);
  }

  forgetPerson(userId: UserId): void {
    this.#guard.write(() => this.#writes.forgetPerson(userId));
    for (const { budgetId } of this.list(userId)) this.#forgetTold(budgetId);
    this.#byPerson.delete(userId);
    this.#totals.delete(userId);
  }

  standings({ owner, sessionId }: { owner: UserId; sessionId: SessionId }, now: number): readonly BudgetStanding[] {
    const budgets = this.#byPerson.get(owner);
    if (!budgets) return NONE;
    return budgets
      .filter((budget) => budget.sessionId === undefined || budget.sessionId === sessionId)
      .map((budget) => this.standing(budget, sessionId, now));
  }

  standing(budget: BudgetRecord, sessionId: SessionId | '', now: number): BudgetStanding {
    const days = daysAt(budget.period, now);
    const of = budget.of === 'person' ? '' : sessionId;
    const total = this.#totalOf(budget.userId, of, days);
    const mark = this.#told.get(keyOf({ budgetId: budget.budgetId, sessionId: of }));
    const told: BudgetState = mark?.from === days.from ? mark.state : 'ok';
    return { budget, days, used: total[budget.unit], told };
  }

  claim(marks: readonly BudgetMark[]): () => void {
    const before = marks.map((mark) => [mark, this.#told.get(keyOf(mark))] as const);
    for (const mark of marks) this.#mark(mark);
    return () => {
      for (const [mark, earlier] of before) {
        if (earlier) this.#mark(earlier);
        else this.#told.delete(keyOf(mark));
      }
    };
  }

  committed({ record: { owner, sessionId }, events }: Pick<SessionChange, 'record' | 'events'>): void {
    const totals = this.#totals.get(owner);
    if (!totals) return;
    for (const event of events) {
      if (event.type !== 'streamComplete') continue;
      const { usage, cost = 0 } = JSON.parse(event.data) as EventData<'streamComplete'>;
      const [day, tokens] = [dayOf(event.at), tokensOf(usage)];
      for (const total of totals.values()) {
        const isOurs = total.sessionId === '' || total.sessionId === sessionId;
        if (!isOurs || !isWithin(day, total)) continue;
        total.tokens += tokens;
        total.dollars += cost;
      }
    }
  }

  spent(userId: UserId, amounts: Amounts, at: number): void {
    const day = dayOf(at);
    this.#guard.write(() => this.#writes.addOther({ userId, day }, amounts));
    for (const total of this.#totals.get(userId)?.values() ?? []) {
      if (total.sessionId !== '' || !isWithin(day, total)) continue;
      total.tokens += amounts.tokens;
      total.dollars += amounts.dollars;
    }
  }

  forgotten({ owner, sessionId }: { owner: UserId; sessionId: SessionId }): void {
    this.#retain(owner, this.list(owner), (budget) => budget.sessionId !== sessionId);
    for (const [key, mark] of this.#told) if (mark.sessionId === sessionId) this.#told.delete(key);
    const totals = this.#totals.get(owner) ?? new Map<string, Total>();
    for (const [key, total] of totals) if (total.sessionId === sessionId) totals.delete(key);
  }

  #keep(budget: BudgetRecord): void {
    const known = this.list(budget.userId);
    const isKnown = known.some(({ budgetId }) => budgetId === budget.budgetId);
    const replaced = known.map((one) => (one.budgetId === budget.budgetId ? budget : one));
    this.#byPerson.set(budget.userId, isKnown ? replaced : [...known, budget]);
  }

  #retain(userId: UserId, budgets: readonly BudgetRecord[], isKept: (budget: BudgetRecord) => boolean): void {
    const kept = budgets.filter(isKept);
    if (kept.length > 0) this.#byPerson.set(userId, kept);
    else {
      this.#byPerson.delete(userId);
      this.#totals.delete(userId);
    }
  }

  #mark(mark: BudgetMark): void {
    this.#told.set(keyOf(mark), mark);
  }

  #forgetTold(budgetId: string): void {
    for (const [key, mark] of this.#told) if (mark.budgetId === budgetId) this.#told.delete(key);
  }

  #totalOf(userId: UserId, sessionId: SessionId | '', { from, to }: BudgetDays): Amounts {
    const totals = this.#totals.get(userId) ?? new Map<string, Total>();
    const key = `${sessionId} ${from} ${to}`;
    const known = totals.get(key);
    if (known) return known;
    const total = { sessionId, from, to, ...this.#guard.run(() => this.#sums({ userId, sessionId, from, to })) };
    if (totals.size >= MAX_TOTALS) totals.clear();
    this.#totals.set(userId, totals.set(key, total));
    return total;
  }
}

/** A budget of one session has a single mark, too. */
const keyOf = ({ budgetId, sessionId }: Pick<BudgetMark, 'budgetId' | 'sessionId'>): string =>
  `${budgetId} ${sessionId}`;

function prepareWrites(database: SqliteDatabase) {
  const write = database.prepare(
    `${insertInto('budgets')} ON CONFLICT (budget_id) DO UPDATE SET ${changedIn('budgets')}`,
  );
  const unmark = database.prepare<[string]>('DELETE FROM budget_marks WHERE budget_id = ?');
  const remove = database.prepare<[string]>('DELETE FROM budgets WHERE budget_id = ?');
  const unmarkAll = database.prepare<[string]>(
    'DELETE FROM budget_marks WHERE budget_id IN (SELECT budget_id FROM budgets WHERE user_id = ?)',
  );
  const removeAll = database.prepare<[string]>('DELETE FROM budgets WHERE user_id = ?');
  const removeGone = database.prepare<[string]>('DELETE FROM other_usage WHERE user_id = ?');
  return {
    addOther: database.transaction(prepareOtherUsage(database)),
    put: database.transaction((row: BudgetRow) => {
      unmark.run(row.budget_id);
      write.run(summedValues('budgets', row));
    }),
    remove: database.transaction((budgetId: string) => {
      unmark.run(budgetId);
      remove.run(budgetId);
    }),
    forgetPerson: database.transaction((userId: string) => {
      unmarkAll.run(userId);
      removeAll.run(userId);
      removeGone.run(userId);
    }),
  };
}

const changedIn = (table: TableName): string =>
  [...SUMMED_COLUMNS[table], 'sum'].map((column) => `${column} = excluded.${column}`).join(', ');

/** Writes what was told of budgets, within the transaction of a commit. */
export function prepareMarks(database: SqliteDatabase): (marks: readonly BudgetMark[]) => void {
  const write = database.prepare(
    `${insertInto('budget_marks')} ON CONFLICT DO UPDATE SET ${changedIn('budget_marks')}`,
  );
  return (marks) => {
    for (const { budgetId, sessionId, from, state } of marks) {
      write.run(summedValues('budget_marks', { budget_id: budgetId, session_id: sessionId, since: from, state }));
    }
  };
}
