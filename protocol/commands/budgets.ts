/** Budgets. */
import { addBudgetSchema, changeBudgetSchema, listBudgetsSchema } from '../budgets.js';
import { changes, type RestRule, reads } from './rules.js';

export const BUDGETS_COMMANDS = {
  listBudgets: { at: 'GET /api/budgets', ...reads('read'), query: listBudgetsSchema },
  addBudget: { at: 'POST /api/budgets', ...changes('approve', 'settings'), body: addBudgetSchema },
  showBudget: { at: 'GET /api/budgets/:id', ...reads('read') },
  changeBudget: {
    at: 'PATCH /api/budgets/:id',
    versioned: true,
    ...changes('approve', 'settings'),
    body: changeBudgetSchema,
  },
  removeBudget: { at: 'DELETE /api/budgets/:id', versioned: true, ...changes('approve', 'settings') },
} as const satisfies Record<string, RestRule>;
