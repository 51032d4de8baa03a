/** Budgets of people: kept, shown with what is used of them, and asked before Claude is. */
import type { BudgetChanges, BudgetView, NewBudget } from '../../protocol/budgets.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import { daysAt, stateOf, tokensOf } from '../model/budgets.js';
import type { Guarded } from '../model/guard.js';
import type { BudgetRecord } from '../ports/budgets.js';
import type { ChatEnd } from '../ports/chat.js';
import type { Log } from '../ports/log.js';
import type { UserId } from '../ports/records.js';
import { usedUp, usedUpError } from '../sessions/machine/budgets.js';
import type { CommandServices } from './command-context.js';

type Services = Pick<CommandServices, 'budgets' | 'journal' | 'registry' | 'now'>;

const MAX_BUDGETS = 20;

/** Who asks: `admin` may change what others have made. */
export interface Keeper {
  userId: UserId;
  isAdmin: boolean;
}

/** A budget as shown, but for the address of its person. */
export type ShownBudget = Omit<BudgetView, 'person'> & { userId: UserId };

/** A new budget of this person. Throws `CONFLICT` beyond 20, and `SESSION_NOT_FOUND`. */
export function addBudget(
  { budgets, registry, now }: Services,
  { userId, madeBy, budget }: { userId: UserId; madeBy: UserId; budget: Omit<NewBudget, 'person'> },
): BudgetRecord {
  if (budget.sessionId !== undefined) registry.require(userId, budget.sessionId);
  if (budgets.list(userId).length >= MAX_BUDGETS) {
    throw new CompanionError('CONFLICT', `A person has at most ${MAX_BUDGETS} budgets.`, {
      suggestion: 'Remove one that is not needed any more.',
    });
  }
  const { tokens, dollars, sessionId, ...others } = budget;
  return budgets.create({
    ...others,
    userId,
    ...(sessionId !== undefined && { sessionId }),
    ...amountOf({ tokens, dollars }),
    madeBy,
    createdAt: now(),
    updatedAt: now(),
  });
}

function amountOf({ tokens, dollars = 0 }: Pick<BudgetChanges, 'tokens' | 'dollars'>) {
  return tokens === undefined
    ? { unit: 'dollars' as const, limit: dollars }
    : { unit: 'tokens' as const, limit: tokens };
}

/** The budget, if this keeper may see it. Throws `NOT_FOUND`. */
export function requireBudgetOf(
  { budgets }: Pick<Services, 'budgets'>,
  budgetId: string,
  keeper: Keeper,
): BudgetRecord {
  const found = budgets.find(budgetId);
  if (found && (found.userId === keeper.userId || keeper.isAdmin)) return found;
  throw new CompanionError('NOT_FOUND', 'There is no such budget.', { field: 'budgetId' });
}

interface OfBudget extends Guarded {
  budgetId: string;
  keeper: Keeper;
}

/** Throws `PERMISSION_DENIED` where somebody else has made it. */
function requireOwn(services: Services, { budgetId, keeper, guard }: OfBudget): BudgetRecord {
  const found = requireBudgetOf(services, budgetId, keeper);
  if (found.madeBy !== keeper.userId && !keeper.isAdmin) {
    const rule = 'must be a budget that the person has made; the scope admin changes others';
    throw new CompanionError('PERMISSION_DENIED', `budgetId: ${rule}`, { field: 'budgetId', rule });
  }
  guard?.();
  return found;
}

/** Changes it. What was told of it can be told again. Throws `PERMISSION_DENIED` and what the guard does. */
export function changeBudget(
  services: Services,
  { changes, ...of }: OfBudget & { changes: BudgetChanges },
): BudgetRecord {
  const found = requireOwn(services, of);
  const { tokens, dollars, warnAt = found.warnAt, stop = found.stop } = changes;
  const isOther = tokens !== undefined || dollars !== undefined;
  const amount = isOther ? amountOf({ tokens, dollars }) : {};
  const changed = { ...found, ...amount, warnAt, stop, updatedAt: services.now() };
  services.budgets.put(changed);
  return changed;
}

/** Throws as `changeBudget` does. */
export function removeBudget(services: Services, of: OfBudget): void {
  services.budgets.remove(requireOwn(services, of).budgetId);
}

/** The budgets with what is used of them, oldest first. */
export async function showBudgets(services: Services, budgets: readonly BudgetRecord[]): Promise<ShownBudget[]> {
  const shown: ShownBudget[] = [];
  for (const budget of budgets) shown.push(await showBudget(services, budget));
  return shown;
}

/** Reads what each session has used where the budget is of each. */
export async function showBudget(services: Services, budget: BudgetRecord): Promise<ShownBudget> {
  const { userId, unit, limit, madeBy: _, createdAt, updatedAt, ...others } = budget;
  const { endsAt } = daysAt(budget.period, services.now());
  const { used, usedBy } = await usedOf(services, budget);
  return {
    ...others,
    userId,
    ...(unit === 'tokens' ? { tokens: limit } : { dollars: limit }),
    used,
    ...(usedBy !== undefined && { usedBy }),
    remaining: Math.max(0, limit - used),
    state: stateOf(budget, used),
    ...(endsAt !== undefined && { resetsAt: iso(endsAt) }),
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
  };
}

async function usedOf(
  { budgets, journal, now }: Services,
  budget: BudgetRecord,
): Promise<{ used: number; usedBy?: SessionId }> {
  const { userId, of, sessionId, period, unit } = budget;
  if (of === 'person' || sessionId !== undefined) {
    return { used: budgets.standing(budget, sessionId ?? '', now()).used };
  }
  const { from, to } = daysAt(period, now());
  const sums = new Map<SessionId, number>();
  for await (const rows of journal.readUsage({ userId, from, to })) {
    for (const row of rows) {
      const tokens = tokensOf({
        input_tokens: row.input,
        output_tokens: row.output,
        cache_creation_input_tokens: row.cacheWrite,
      });
      sums.set(row.sessionId, (sums.get(row.sessionId) ?? 0) + (unit === 'tokens' ? tokens : row.cost));
    }
  }
  const [most] = [...sums].sort(([, one], [, other]) => other - one);
  return most ? { used: most[1], usedBy: most[0] } : { used: 0 };
}

const iso = (at: number): string => new Date(at).toISOString();

/** For a question outside any session. Throws `CAPACITY` while a budget of all sessions is used up that stops. */
export function requirePersonsBudget({ budgets, now }: Pick<Services, 'budgets' | 'now'>, userId: UserId): void {
  const ofPerson = budgets.list(userId).filter(({ of }) => of === 'person');
  const full = usedUp({ budgets: ofPerson.map((budget) => budgets.standing(budget, '', now())) });
  if (full) throw usedUpError(full, now());
}

/** Counts an answer outside any session towards the budgets of all sessions together, which a full disk prevents. */
export function countOutside(
  { budgets, now, log }: Pick<Services, 'budgets' | 'now'> & { log: Log },
  userId: UserId,
  { usage, cost = 0 }: Pick<ChatEnd, 'usage' | 'cost'>,
): void {
  try {
    budgets.spent(userId, { tokens: tokensOf(usage), dollars: cost }, now());
  } catch (error) {
    log.warn('what a chat has used cannot be recorded', { error: String(error) });
  }
}
