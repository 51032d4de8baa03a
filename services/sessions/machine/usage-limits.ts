/** The usage limits of the account, as the CLI reports them. */
import type { EventData } from '../../../protocol/events.js';
import type { LimitReading, LimitRecord, LimitWindow } from '../../ports/records.js';
import type { SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';

/** Records a reading, and publishes it if it differs from the last one. Shares of single windows are not published. */
export function noteLimits(builder: StepBuilder, reading: LimitReading): void {
  const { limits, sessionId } = builder.state.record;
  const { windows = limits?.windows } = reading;
  const next: LimitRecord = { ...reading, ...(windows && { windows }), at: builder.now };
  if (limits && keyOf(limits) === keyOf(next)) return;
  builder.updateRecord({ limits: next });
  if (limits && JSON.stringify(limitFields(limits)) === JSON.stringify(limitFields(next))) return;
  builder.event('rateLimit', { sessionId, ...limitFields(next), timestamp: builder.timestamp });
}

const keyOf = (limits: LimitRecord): string => JSON.stringify({ ...limits, at: 0 });

/** Times of one window from two sources can differ by less than this. */
const SAME_MS = 60_000;

/** The CLI listed the windows when it was asked. Undefined: nothing is new. */
export function onUsageWindows(state: SessionState, windows: readonly LimitWindow[], now: number): Step | undefined {
  const { limits, lastActivity, updatedAt } = state.record;
  const known = windows.map((window) => withKnownReset(window, limits?.windows ?? []));
  const deciding = known.find(({ window }) => window === limits?.window) ?? fullest(known);
  if (!deciding) return undefined;
  const isSame = limits?.window === deciding.window && limits.resetsAt === deciding.resetsAt;
  const { utilization = 0 } = deciding;
  const status = isSame && limits ? limits.status : utilization >= 1 ? 'rejected' : 'allowed';
  const builder = new StepBuilder(state, now);
  noteLimits(builder, { ...deciding, status, windows: known, ...(limits?.overage && { overage: limits.overage }) });
  if (builder.state === state) return undefined;
  // A look at the limits is no use of the session.
  builder.updateRecord({ lastActivity, updatedAt });
  return builder.finish();
}

const fullest = (windows: readonly LimitWindow[]): LimitWindow | undefined =>
  [...windows].sort((a, b) => (b.utilization ?? 0) - (a.utilization ?? 0))[0];

/** A time that differs only in its notation is no change. */
function withKnownReset(window: LimitWindow, known: readonly LimitWindow[]): LimitWindow {
  const before = known.find((one) => one.window === window.window)?.resetsAt;
  const isSame = before !== undefined && Math.abs(before - (window.resetsAt ?? 0)) < SAME_MS;
  return isSame ? { ...window, resetsAt: before } : window;
}

type LimitFields = Omit<EventData<'rateLimit'>, 'sessionId' | 'timestamp'>;

/** The fields of a reading on the wire. */
export function limitFields({ status, window, utilization, resetsAt, overage }: LimitReading): LimitFields {
  return {
    status,
    ...(window !== undefined && { window }),
    ...(utilization !== undefined && { utilization }),
    ...(resetsAt !== undefined && { resetsAt: iso(resetsAt) }),
    ...(overage && { overage: overageOf(overage) }),
  };
}

function overageOf({ resetsAt, ...overage }: NonNullable<LimitReading['overage']>): LimitFields['overage'] {
  return { ...overage, ...(resetsAt !== undefined && { resetsAt: iso(resetsAt) }) };
}

const iso = (at: number): string => new Date(at).toISOString();

/** The API refused the pace of requests: for an account without windows this is all that is known of its limits. */
export function onRefusedForNow(builder: StepBuilder, { delayMs }: { delayMs: number }): void {
  noteLimits(builder, { status: 'rejected', isPace: true, resetsAt: builder.now + Math.round(delayMs) });
}

/** The API answers again: a refusal that named no window is over. */
export function endRefusal(builder: StepBuilder): void {
  const { limits } = builder.state.record;
  if (limits?.isPace) noteLimits(builder, { status: 'allowed' });
}

/** When the limit that has ended a turn resets, in epoch milliseconds; undefined where it is not known. */
export function knownReset(builder: StepBuilder): number | undefined {
  const { limits } = builder.state.record;
  return limits?.status === 'rejected' && !limits.isPace ? limits.resetsAt : undefined;
}
