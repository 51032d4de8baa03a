/** Who is owed a push. Nothing here knows a clock: the same input has the same answer. Times are epoch milliseconds. */
import type { PushPreferences, SessionPushPreferences } from '../../protocol/push-preferences.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { DeviceRef } from '../ports/records.js';
import { type Concern, type ConcernKind, isWaiting } from './concerns.js';
import { quietUntil } from './quiet-hours.js';

/** For so long after the event one of the person's devices may acknowledge it, when one is in the foreground. */
export const WAITING_DELAY_MS = 3000;
export const RESULT_DELAY_MS = 10_000;
/** A device in the foreground that acknowledged something so long ago is being looked at. */
const ACTIVE_MS = 15_000;
/** For so long somebody wants to hear of it. */
export const WAITING_STALE_MS = 600_000;
export const RESULT_STALE_MS = 86_400_000;

/** `away`: it has no connection. */
export type Presence = 'foreground' | 'background' | 'away';

/** A device of the person whom the event concerns. */
export interface PersonDevice {
  device: DeviceRef;
  /** Whether it can be pushed to; the acknowledgements and the presence of the others count as well. */
  isRegistered: boolean;
  presence: Presence;
  /** When it was in the foreground last; undefined while it is, and for one that this daemon has not seen there. */
  leftAt: number | undefined;
  /** When it last acknowledged anything, in any session; undefined for never. */
  lastAckAt: number | undefined;
  /** What it has acknowledged, by session: cursors of the journal's epoch alone. */
  cursors: ReadonlyMap<SessionId, number>;
  preferences: PushPreferences;
}

/** The session of the event. */
export interface ConcernedSession {
  preferences: SessionPushPreferences;
  /** Permission requests that nobody has answered yet, by permission id. */
  openRequests: ReadonlySet<string>;
}

export interface Situation {
  concern: Concern;
  session: ConcernedSession;
  /** All devices of the person. */
  devices: readonly PersonDevice[];
  /** Nothing is owed before: a daemon that has just come up does not know who is here, and who was comes back. */
  knownFrom: number;
  now: number;
}

/** Why a push waits. `delay`: a device may still acknowledge it; `active`: the device is being looked at. */
export type WaitReason = 'delay' | 'active' | 'quiet_hours';
export type SuppressedReason =
  | 'resolved'
  | 'acknowledged'
  | 'disabled'
  | 'kind_off'
  | 'muted'
  | 'quiet_hours'
  | 'stale';

export type Verdict =
  /** `at`: since when, not later than now. `expiresAt`: then it is stale. */
  | { kind: 'owed'; at: number; expiresAt: number }
  /** To be judged again then, and when a device acknowledges something, comes or goes, or a request is resolved. */
  | { kind: 'wait'; until: number; reason: WaitReason }
  /** For good. */
  | { kind: 'suppressed'; reason: SuppressedReason };

export interface DeviceVerdict {
  device: DeviceRef;
  verdict: Verdict;
}

/** What each device that can be pushed to is owed. */
export function judge(situation: Situation): DeviceVerdict[] {
  const reason = endedFor(situation);
  return situation.devices
    .filter(({ isRegistered }) => isRegistered)
    .map((device) => ({
      device: device.device,
      verdict: reason ? { kind: 'suppressed', reason } : judgeDevice(situation, device),
    }));
}

/** Why nobody needs to hear of it any more. */
function endedFor({ concern, session, devices }: Situation): SuppressedReason | undefined {
  if (isWaiting(concern) && !session.openRequests.has(concern.request.permissionId)) return 'resolved';
  const isSeen = devices.some(({ cursors }) => (cursors.get(concern.sessionId) ?? 0) >= concern.seq);
  return isSeen ? 'acknowledged' : undefined;
}

function judgeDevice(situation: Situation, device: PersonDevice): Verdict {
  const { concern, session, knownFrom, now } = situation;
  const { at, reason } = dueAt(situation, device);
  const off = switchedOff(concern.kind, device.preferences) ?? (isMuted(session, at) ? 'muted' : undefined);
  if (off) return { kind: 'suppressed', reason: off };
  const held = holdOf(concern, device.preferences, at);
  if (held === 'suppressed') return { kind: 'suppressed', reason: 'quiet_hours' };
  const owedAt = held ?? at;
  const expiresAt = isWaiting(concern) ? owedAt + WAITING_STALE_MS : concern.at + RESULT_STALE_MS;
  if (now >= expiresAt) return { kind: 'suppressed', reason: 'stale' };
  const from = Math.max(owedAt, knownFrom);
  const until = Math.min(from, expiresAt);
  if (now < until) return { kind: 'wait', until, reason: held === undefined ? reason : 'quiet_hours' };
  return { kind: 'owed', at: from, expiresAt };
}

/** When this device is owed it, but for what it prefers. */
function dueAt({ concern, devices }: Situation, device: PersonDevice): { at: number; reason: WaitReason } {
  const last = concern.at + (isWaiting(concern) ? WAITING_DELAY_MS : RESULT_DELAY_MS);
  const alone = !devices.some(({ presence }) => presence === 'foreground');
  const left = Math.max(concern.at, ...devices.map(({ leftAt }) => leftAt ?? 0));
  const at = alone ? Math.min(last, left) : last;
  const activeUntil =
    device.presence === 'foreground' && device.lastAckAt !== undefined ? device.lastAckAt + ACTIVE_MS : at;
  return activeUntil > at ? { at: activeUntil, reason: 'active' } : { at, reason: 'delay' };
}

function switchedOff(kind: ConcernKind, { enabled, kinds }: PushPreferences): SuppressedReason | undefined {
  if (enabled === false) return 'disabled';
  return kinds?.[kind] === false ? 'kind_off' : undefined;
}

const isMuted = ({ preferences: { muted } }: ConcernedSession, at: number): boolean =>
  typeof muted === 'string' ? at < Date.parse(muted) : muted === true;

/** Until when quiet hours hold it back: what waits for a person at most until they end. Undefined: they do not. */
function holdOf(concern: Concern, { quietHours }: PushPreferences, at: number): number | 'suppressed' | undefined {
  if (!quietHours || (isWaiting(concern) && quietHours.exceptUrgent !== false)) return undefined;
  const until = quietUntil(quietHours, at);
  return until !== undefined && !isWaiting(concern) ? 'suppressed' : until;
}
