/** Budgets: how much the turns of a person may use. Times are epoch milliseconds, days are in UTC. */
import type { BudgetOf, BudgetPeriod, BudgetState } from '../../protocol/budgets.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { BudgetMark, SessionChange, UserId } from './records.js';

export interface BudgetRecord {
  budgetId: string;
  userId: UserId;
  of: BudgetOf;
  /** Of `session`: only this one. Absent: each. */
  sessionId?: SessionId;
  period: BudgetPeriod;
  unit: 'tokens' | 'dollars';
  limit: number;
  /** The share of the limit at which it warns. */
  warnAt: number;
  /** Prompts are refused once it is used up. */
  stop: boolean;
  /** Who made it: one that was made by somebody else cannot be changed by its person alone. */
  madeBy: UserId;
  createdAt: number;
  updatedAt: number;
}

/** Days, both included; they are compared as texts. */
export interface BudgetDays {
  from: string;
  to: string;
  /** When the next period begins; undefined: never. */
  endsAt: number | undefined;
}

/** A budget as it is for a session at some time. */
export interface BudgetStanding {
  budget: BudgetRecord;
  days: BudgetDays;
  used: number;
  /** What was told of it in this period. */
  told: BudgetState;
}

/** What sessions ask of budgets. A person without any costs nothing. */
export interface SessionBudgets {
  /** The budgets that hold for the session. */
  standings(session: { owner: UserId; sessionId: SessionId }, now: number): readonly BudgetStanding[];
  /**
   * Counts these as told, before they are written: no other session tells the same meanwhile. Returns what takes it
   * back when they cannot be written.
   */
  claim(marks: readonly BudgetMark[]): () => void;
  /** Counts what the turns of a written change have used. */
  committed(change: Pick<SessionChange, 'record' | 'events'>): void;
  /** The session was removed from the record, with its own budgets. */
  forgotten(session: { owner: UserId; sessionId: SessionId }): void;
}

export interface BudgetStore extends SessionBudgets {
  /** Oldest first. */
  list(userId: UserId): readonly BudgetRecord[];
  find(budgetId: string): BudgetRecord | undefined;
  create(budget: Omit<BudgetRecord, 'budgetId'>): BudgetRecord;
  /** Replaces it; what was told of it is forgotten. */
  put(budget: BudgetRecord): void;
  remove(budgetId: string): void;
  /** What counts towards it; of a budget of each session, for this one. */
  standing(budget: BudgetRecord, sessionId: SessionId | '', now: number): BudgetStanding;
  /** Counts what was used outside any session, for the budgets of all sessions together. */
  spent(userId: UserId, amounts: { tokens: number; dollars: number }, at: number): void;
  /** Removes what is kept of a person. */
  forgetPerson(userId: UserId): void;
}
