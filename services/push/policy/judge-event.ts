/**
 * Which devices are owed a push. No clock is used here: the same input has the same result. Times are epoch
 * milliseconds.
 */
import type { PushPreferences, SessionPushPreferences } from '../../../protocol/push-preferences.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { DeviceRef } from '../../ports/records.js';
import { type Concern, type ConcernKind, isWaiting } from './concerns.js';
import { quietUntil } from './quiet-hours.js';

/** The time after the event in which one of the person's devices can acknowledge it, when one is in the foreground. */
export const WAITING_DELAY_MS = 3000;
export const RESULT_DELAY_MS = 10_000;
/** A foreground device with an acknowledgement within this time counts as in use. */
const ACTIVE_MS = 15_000;
/** After this time the push is no longer of interest. */
export const WAITING_STALE_MS = 600_000;
export const RESULT_STALE_MS = 86_400_000;

/** `away`: it has no connection. */
export type Presence = 'foreground' | 'background' | 'away';

/** A device of the person whom the event concerns. */
export interface PersonDevice {
  device: DeviceRef;
  /** Whether it can receive pushes; acknowledgements and presence count for other devices as well. */
  isRegistered: boolean;
  presence: Presence;
  /**
   * When it was last in the foreground; undefined while it is, and for a device that this daemon has not seen there.
   */
  leftAt: number | undefined;
  /** When it last acknowledged anything, in any session; undefined for never. */
  lastAckAt: number | undefined;
  /** Its acknowledged positions by session: only cursors of the journal's epoch. */
  cursors: ReadonlyMap<SessionId, number>;
  preferences: PushPreferences;
}

/** The session of the event. */
export interface ConcernedSession {
  preferences: SessionPushPreferences;
  /** Unanswered permission requests, by permission id. */
  openRequests: ReadonlySet<string>;
}

export interface Situation {
  concern: Concern;
  session: ConcernedSession;
  /** All devices of the person. */
  devices: readonly PersonDevice[];
  /** No push is owed before: a new daemon does not know who is connected, and devices reconnect. */
  knownFrom: number;
  now: number;
}

/** Why a push waits. `delay`: a device can still acknowledge it; `active`: the device is in use. */
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
  /** `at`: since when, not later than now. `expiresAt`: when it becomes stale. */
  | { kind: 'owed'; at: number; expiresAt: number }
  /**
   * To be judged again at `until`, and when a device acknowledges, connects or disconnects, or a request is resolved.
   */
  | { kind: 'wait'; until: number; reason: WaitReason }
  /** Permanently. */
  | { kind: 'suppressed'; reason: SuppressedReason };

export interface DeviceVerdict {
  device: DeviceRef;
  verdict: Verdict;
}

/** The verdict for each device that can receive pushes. */
export function judge(situation: Situation): DeviceVerdict[] {
  const reason = endedFor(situation);
  return situation.devices
    .filter(({ isRegistered }) => isRegistered)
    .map((device) => ({
      device: device.device,
      verdict: reason ? { kind: 'suppressed', reason } : judgeDevice(situation, device),
    }));
}

/** Why no push is needed any more. */
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

/** When this device is owed the push, without regard to its preferences. */
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

/**
 * Until when quiet hours hold it back: a push that waits for a person at most until they end. Undefined: they do not.
 */
function holdOf(concern: Concern, { quietHours }: PushPreferences, at: number): number | 'suppressed' | undefined {
  if (!quietHours || (isWaiting(concern) && quietHours.exceptUrgent !== false)) return undefined;
  const until = quietUntil(quietHours, at);
  return until !== undefined && !isWaiting(concern) ? 'suppressed' : until;
}
