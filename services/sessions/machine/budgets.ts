/** What the turns of a session do to the budgets of its person, and what a budget that is used up holds back. */

import type { Usage } from '../../../protocol/content.js';
import { CompanionError } from '../../../protocol/error-codes.js';
import { dayOf, isWithin, stateOf, tokensOf } from '../../model/budgets.js';
import type { BudgetRecord, BudgetStanding } from '../../ports/budgets.js';
import type { PromptRecord } from '../../ports/records.js';
import type { SessionState } from './session-state.js';
import type { StepBuilder } from './step-builder.js';

const RANKS = { ok: 0, warning: 1, exceeded: 2 } as const;

/** A turn has ended: its usage counts, and each budget is told of once when it warns and once when it is used up. */
export function countTurn(builder: StepBuilder, { usage, cost = 0 }: { usage?: Usage; cost?: number }): void {
  const { budgets = [] } = builder.state;
  if (budgets.length === 0) return;
  const day = dayOf(Date.parse(builder.timestamp));
  const amounts = { tokens: tokensOf(usage), dollars: cost };
  const counted = budgets.map((standing) => {
    const used = standing.used + (isWithin(day, standing.days) ? amounts[standing.budget.unit] : 0);
    return tell(builder, { ...standing, used });
  });
  builder.update({ budgets: counted });
}

function tell(builder: StepBuilder, standing: BudgetStanding): BudgetStanding {
  const { budget, days, used, told } = standing;
  const state = stateOf(budget, used);
  if (state === 'ok' || RANKS[state] <= RANKS[told]) return standing;
  const { sessionId } = builder.state.record;
  const { budgetId, of, period, unit, limit, stop } = budget;
  builder.event('budget', {
    sessionId,
    budgetId,
    state,
    of,
    period,
    unit,
    used,
    limit,
    stops: stop,
    ...(days.endsAt !== undefined && { resetsAt: new Date(days.endsAt).toISOString() }),
    timestamp: builder.timestamp,
  });
  builder.markBudget({ budgetId, sessionId: of === 'person' ? '' : sessionId, from: days.from, state });
  return { ...standing, told: state };
}

/** The budget that holds prompts back: of several the one that does so for longest. */
export function usedUp({ budgets = [] }: Pick<SessionState, 'budgets'>): BudgetStanding | undefined {
  const full = budgets.filter(({ budget, used }) => budget.stop && used >= budget.limit);
  const end = ({ days: { endsAt = Number.POSITIVE_INFINITY } }: BudgetStanding) => endsAt;
  return full.reduce<BudgetStanding | undefined>(
    (last, one) => (last && end(last) >= end(one) ? last : one),
    undefined,
  );
}

/** Throws `CAPACITY` while a budget is used up that stops. */
export function requireBudget(state: Pick<SessionState, 'budgets'>, now: number): void {
  const full = usedUp(state);
  if (full) throw usedUpError(full, now);
}

/** Whether this waiting prompt must not begin. One that goes on with a turn that had begun may. */
export const isHeldBack = (state: SessionState, prompt: PromptRecord): boolean =>
  prompt.mode !== 'resume' && !prompt.announced && usedUp(state) !== undefined;

export function usedUpError({ budget, days: { endsAt } }: BudgetStanding, now: number): CompanionError {
  const until = endsAt === undefined ? '' : `, or wait until ${new Date(endsAt).toISOString()}`;
  return new CompanionError('CAPACITY', `A budget is used up: ${inWords(budget)}.`, {
    field: 'prompt',
    rule: `must fit into the budget of ${inWords(budget)}`,
    suggestion: `Raise or remove the budget ${budget.budgetId}${until}.`,
    ...(endsAt !== undefined && { retryAfterMs: Math.max(0, endsAt - now) }),
  });
}

const PERIODS: Record<BudgetRecord['period'], string> = { day: ' a day', week: ' a week', always: '' };

function inWords({ of, period, unit, limit }: BudgetRecord): string {
  const amount = unit === 'tokens' ? `${limit} tokens` : `$${limit}`;
  return `${amount}${PERIODS[period]} for ${of === 'person' ? 'all sessions' : 'the session'}`;
}
