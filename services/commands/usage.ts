/** The usage limits of a person's account, and who pays for it. */
import type { AccountView, UsageLimits, UsageQuestion, UsageRowView } from '../../protocol/usage.js';
import type { LimitRecord, LimitWindow } from '../ports/records.js';
import type { UsageRow } from '../ports/usage.js';
import { limitFields } from '../sessions/machine/usage-limits.js';
import type { Session } from '../sessions/session.js';
import type { Caller, CommandServices } from './command-context.js';

type Services = Pick<CommandServices, 'registry' | 'now'>;
type OfCaller = Pick<Caller, 'device'>;

/**
 * The account as the person's children know it, asked once more of one that runs: at most once a minute of each, and
 * without waiting long for it.
 */
export async function readLimits(services: Services, caller: OfCaller): Promise<UsageLimits> {
  const sessions = services.registry.ownedAll(caller.device.userId);
  await sessions.find((session) => session.canAsk)?.refreshLimits();
  const account = accountOf(services, caller);
  return { ...(account && { account }), ...limitsView(newest(sessions), services.now()) };
}

/** Who pays, as the session that was used last knows it. */
export function accountOf({ registry }: Pick<Services, 'registry'>, { device }: OfCaller): AccountView | undefined {
  return registry.ownedAll(device.userId).find(({ state }) => state.record.account)?.state.record.account;
}

/** All sessions share the limits of the account: the newest report counts. */
function newest(sessions: readonly Session[]): LimitRecord | undefined {
  const known = sessions.flatMap(({ state }) => state.record.limits ?? []);
  return known.sort((a, b) => b.at - a.at)[0];
}

function limitsView(limits: LimitRecord | undefined, now: number): UsageLimits {
  if (!limits) return { windows: [] };
  const isOver = limits.resetsAt !== undefined && limits.resetsAt <= now;
  const windows = windowsOf(limits).filter(({ resetsAt = Number.POSITIVE_INFINITY }) => resetsAt > now);
  return {
    ...(isOver ? { status: 'allowed' } : limitFields(limits)),
    windows: windows.map(({ resetsAt, ...window }) => ({
      ...window,
      ...(resetsAt !== undefined && { resetsAt: new Date(resetsAt).toISOString() }),
    })),
    updatedAt: new Date(limits.at).toISOString(),
  };
}

/** A CLI that does not list all windows tells of the deciding one (2.1.197). */
function windowsOf({ window, utilization, resetsAt, windows }: LimitRecord): readonly LimitWindow[] {
  if (windows || window === undefined) return windows ?? [];
  return [{ window, ...(utilization !== undefined && { utilization }), ...(resetsAt !== undefined && { resetsAt }) }];
}

/** `isAll`: a group by people has all of them. */
export async function readUsage(
  { journal }: Pick<CommandServices, 'journal'>,
  { device }: OfCaller,
  { group, from, to, isAll }: UsageQuestion & { isAll: boolean },
): Promise<UsageRowView[]> {
  const ofAll = isAll && group === 'person';
  const sums = new Map<string, UsageRowView>();
  for await (const rows of journal.readUsage({ ...(!ofAll && { userId: device.userId }), from, to })) {
    for (const row of rows) add(sums, keyIn(row, group), row);
  }
  const byCost = (one: UsageRowView, other: UsageRowView) => other.cost - one.cost || (one.key < other.key ? -1 : 1);
  const byDay = (one: UsageRowView, other: UsageRowView) => (one.key < other.key ? -1 : 1);
  return [...sums.values()].sort(group === 'day' ? byDay : byCost);
}

function keyIn({ model, sessionId, project, userId, day }: UsageRow, group: UsageQuestion['group']): string {
  return { model, session: sessionId, project, person: userId, day }[group];
}

function add(sums: Map<string, UsageRowView>, key: string, row: UsageRow): void {
  const before = sums.get(key) ?? { key, turns: 0, input: 0, output: 0, cacheRead: 0, cacheWrite: 0, cost: 0 };
  sums.set(key, {
    key,
    turns: before.turns + row.turns,
    input: before.input + row.input,
    output: before.output + row.output,
    cacheRead: before.cacheRead + row.cacheRead,
    cacheWrite: before.cacheWrite + row.cacheWrite,
    cost: before.cost + row.cost,
  });
}
