/** Rows of the outbox: their creation and changes. */

import { nanoid } from 'nanoid';
import { cutText } from '../../protocol/cut-text.js';
import type { PushRecord, PushState } from '../ports/outbox.js';
import type { PushKind } from '../ports/push.js';
import type { DeviceRef, EventRecord, SessionRecord } from '../ports/records.js';
import { collapseIdOf, DIGEST_COLLAPSE_ID, SECURITY_COLLAPSE_ID, TEST_COLLAPSE_ID } from './collapse-ids.js';
import { concernOf, isWaiting } from './concerns.js';
import { type About, writeAbout } from './push-about.js';
import { RESULT_STALE_MS, WAITING_STALE_MS } from './push-policy.js';

export interface NewPush {
  device: DeviceRef;
  about: About;
  /** The journal's epoch. */
  epoch: string;
  /** Epoch milliseconds. */
  now: number;
  /** Where it is already known. */
  expiresAt?: number;
}

/** Number of past states kept in a row. */
const MAX_HISTORY = 20;
const MAX_REASON = 200;

/** An owed row; its due time is judged at once. */
export function newPush({ device, about, epoch, now, expiresAt }: NewPush): PushRecord {
  const place = placeOf(about);
  return {
    pushId: nanoid(),
    device,
    ...place,
    epoch,
    state: 'owed',
    reason: undefined,
    about: writeAbout(about),
    actions: undefined,
    history: [{ state: 'owed', at: now }],
    attempts: 0,
    dueAt: now,
    nextTry: now,
    expiresAt: expiresAt ?? now + (place.permissionId === undefined ? RESULT_STALE_MS : WAITING_STALE_MS),
    createdAt: now,
    updatedAt: now,
  };
}

type Place = Pick<PushRecord, 'sessionId' | 'seq' | 'permissionId' | 'collapseId'> & { kind: PushKind };

function placeOf(about: About): Place {
  const nowhere = { sessionId: undefined, seq: undefined, permissionId: undefined };
  if (about.what === 'digest') return { ...nowhere, kind: 'digest', collapseId: DIGEST_COLLAPSE_ID };
  if (about.what === 'security') return { ...nowhere, kind: 'security', collapseId: SECURITY_COLLAPSE_ID };
  if (about.what === 'test') return { ...nowhere, kind: 'test', collapseId: TEST_COLLAPSE_ID };
  const { concern } = about;
  const { sessionId, seq } = concern;
  const permissionId = isWaiting(concern) ? concern.request.permissionId : undefined;
  const kind = about.what === 'withdrawal' ? 'withdrawal' : concern.kind;
  return { sessionId, seq, permissionId, kind, collapseId: collapseIdOf(concern) };
}

interface Circumstances {
  devices: () => readonly DeviceRef[];
  epoch: string;
  now: number;
}

/** The pushes that registered devices are owed for the events of a change. */
export function pushesFor(
  { sessionId }: Pick<SessionRecord, 'sessionId'>,
  events: readonly EventRecord[],
  { devices, epoch, now }: Circumstances,
): PushRecord[] {
  return events.flatMap((event) => {
    const concern = concernOf(sessionId, event);
    if (!concern) return [];
    return devices().map((device) => newPush({ device, about: { what: 'concern', concern }, epoch, now }));
  });
}

/** The usual kind of push for an event type, without regard to the event's data. */
const USUAL_KINDS: Partial<Record<EventRecord['type'], PushKind>> = {
  permissionRequest: 'permission',
  streamComplete: 'turn_complete',
  error: 'given_up',
};

/** Rows which record, for events that may concern a person, that their pushes could not be made. */
export function failedPushes(
  { sessionId }: Pick<SessionRecord, 'sessionId'>,
  events: readonly EventRecord[],
  { devices, epoch, now }: Circumstances,
): PushRecord[] {
  return events.flatMap(({ type, seq }) => {
    const kind = USUAL_KINDS[type];
    if (!kind) return [];
    return devices().map((device) => {
      const push = { ...newPush({ device, about: { what: 'test' }, epoch, now }), kind, sessionId, seq };
      return changed(push, { state: 'failed', at: now, reason: 'it could not be made: see the log' });
    });
  });
}

export interface Change extends Partial<Pick<PushRecord, 'nextTry' | 'dueAt' | 'expiresAt' | 'attempts' | 'actions'>> {
  state: PushState;
  at: number;
  reason?: string | undefined;
}

/** The row in its next state. */
export function changed(push: PushRecord, { state, at, reason, ...others }: Change): PushRecord {
  const short = reason === undefined ? undefined : cutText(reason, MAX_REASON);
  const transition = { state, at, ...(short !== undefined && { reason: short }) };
  const history = [...push.history, transition].slice(-MAX_HISTORY);
  return { ...push, ...others, state, reason: short, history, updatedAt: at };
}

/**
 * Whether a push about a request that is no longer sent may be on its device: it was tried, and the answer may have
 * been lost. While the request is open, its resolution must withdraw the push.
 */
export const mayHaveArrived = ({ state, attempts, permissionId, kind }: PushRecord): boolean =>
  attempts > 0 &&
  permissionId !== undefined &&
  kind !== 'withdrawal' &&
  (state === 'suppressed' || state === 'expired' || state === 'failed');

/** Whether it is about a result: several results are sent together. */
export const isResult = ({ kind }: Pick<PushRecord, 'kind'>): boolean =>
  kind === 'turn_complete' || kind === 'turn_failed' || kind === 'limit' || kind === 'given_up';

/** Whether it waits for a person's answer and has not been tried: it then precedes all others, at once. */
export const isUrgent = ({ kind, attempts }: Pick<PushRecord, 'kind' | 'attempts'>): boolean =>
  attempts === 0 && (kind === 'permission' || kind === 'question' || kind === 'plan');
