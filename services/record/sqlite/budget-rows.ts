import type { SessionId } from '../../../protocol/scalars.js';
import type { BudgetRecord } from '../../ports/budgets.js';
import type { BudgetMark, UserId } from '../../ports/records.js';

export interface BudgetRow {
  budget_id: string;
  user_id: string;
  of_what: string;
  session_id: string | null;
  period: string;
  unit: string;
  amount: number;
  warn_at: number;
  stop: number;
  made_by: string;
  created_at: number;
  updated_at: number;
}

export interface MarkRow {
  budget_id: string;
  session_id: string;
  since: string;
  state: string;
}

export const budgetRow = (budget: BudgetRecord): BudgetRow => ({
  budget_id: budget.budgetId,
  user_id: budget.userId,
  of_what: budget.of,
  session_id: budget.sessionId ?? null,
  period: budget.period,
  unit: budget.unit,
  amount: budget.limit,
  warn_at: budget.warnAt,
  stop: Number(budget.stop),
  made_by: budget.madeBy,
  created_at: budget.createdAt,
  updated_at: budget.updatedAt,
});

export const budgetOf = (row: BudgetRow): BudgetRecord => ({
  budgetId: row.budget_id,
  userId: row.user_id as UserId,
  of: row.of_what as BudgetRecord['of'],
  ...(row.session_id !== null && { sessionId: row.session_id as SessionId }),
  period: row.period as BudgetRecord['period'],
  unit: row.unit as BudgetRecord['unit'],
  limit: row.amount,
  warnAt: row.warn_at,
  stop: row.stop !== 0,
  madeBy: row.made_by as UserId,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

export const markOf = ({ budget_id, session_id, since, state }: MarkRow): BudgetMark => ({
  budgetId: budget_id,
  sessionId: session_id as SessionId | '',
  from: since,
  state: state as BudgetMark['state'],
});
