/** Rows of the outbox: their creation, their changes, and the subject that each stores. */

import type { EventData } from '../../../protocol/events.js';
import { cutText } from '../../../protocol/plain-text.js';
import { deviceKey } from '../../model/devices.js';
import { newId } from '../../model/new-id.js';
import type { PushRecord, PushState } from '../../ports/outbox.js';
import type { PushKind } from '../../ports/push.js';
import type { PushSessions } from '../../ports/push-people.js';
import type { DeviceRef, EventRecord, SessionRecord } from '../../ports/records.js';
import {
  collapseIdOf,
  DIGEST_COLLAPSE_ID,
  SECURITY_COLLAPSE_ID,
  TEST_COLLAPSE_ID,
  webhookCollapseId,
} from '../message/compose-message.js';
import { type Concern, concernOf, isSpent, isWaiting, type WaitingConcern } from '../policy/concerns.js';
import { RESULT_STALE_MS, WAITING_STALE_MS } from '../policy/judge-event.js';
import type { OwedResult } from '../policy/plan-digest.js';

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
  const subject = subjectOf(about);
  return {
    pushId: newId(),
    device,
    ...subject,
    epoch,
    state: 'owed',
    reason: undefined,
    about: writeAbout(about),
    actions: undefined,
    history: [{ state: 'owed', at: now }],
    attempts: 0,
    dueAt: now,
    nextTry: now,
    expiresAt: expiresAt ?? now + (subject.permissionId === undefined ? RESULT_STALE_MS : WAITING_STALE_MS),
    createdAt: now,
    updatedAt: now,
  };
}

type Subject = Pick<PushRecord, 'sessionId' | 'seq' | 'permissionId' | 'collapseId'> & { kind: PushKind };

function subjectOf(about: About): Subject {
  const none = { sessionId: undefined, seq: undefined, permissionId: undefined };
  if (about.what === 'digest') return { ...none, kind: 'digest', collapseId: DIGEST_COLLAPSE_ID };
  if (about.what === 'security') return { ...none, kind: 'security', collapseId: SECURITY_COLLAPSE_ID };
  if (about.what === 'webhook') return { ...none, kind: 'webhook', collapseId: webhookCollapseId(about.webhookId) };
  if (about.what === 'test') return { ...none, kind: 'test', collapseId: TEST_COLLAPSE_ID };
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
  budget: 'budget',
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

/** The subject of a push as stored in its outbox row: only the data that its message needs. */

export type About =
  | { what: 'concern'; concern: Concern }
  | { what: 'digest'; results: readonly OwedResult[] }
  | {
      what: 'withdrawal';
      concern: WaitingConcern;
      project: string;
      decision: EventData<'permissionResolved'>['decision'];
    }
  /** A device was signed out because its credential was copied. */
  | { what: 'security'; deviceName: string }
  /** The daemon has disabled it. */
  | { what: 'webhook'; webhookId: string; name: string }
  | { what: 'test' };

const MAX_TEXT = 4096;
const MAX_FIELDS = 20;

const writeAbout = (about: About): string => JSON.stringify(shortened(about));

export const readAbout = (text: string): About => JSON.parse(text) as About;

function shortened(about: About): About {
  if (about.what === 'concern') return { ...about, concern: shortConcern(about.concern) };
  if (about.what === 'withdrawal') return { ...about, concern: shortRequest(about.concern) };
  if (about.what === 'digest') {
    return { ...about, results: about.results.map((result) => ({ ...result, concern: wordless(result.concern) })) };
  }
  return about;
}

function shortConcern(concern: Concern): Concern {
  if (isSpent(concern)) return concern;
  if ('request' in concern) return shortRequest(concern);
  if (!('turn' in concern)) return { ...concern, message: cutText(concern.message, MAX_TEXT) };
  return { ...concern, turn: { ...concern.turn, finalResult: cutText(concern.turn.finalResult, MAX_TEXT) } };
}

/** A digest contains only the names of its projects. */
const wordless = (concern: OwedResult['concern']): OwedResult['concern'] =>
  'turn' in concern ? { ...concern, turn: { ...concern.turn, finalResult: '' } } : { ...concern, message: '' };

function shortRequest(concern: WaitingConcern): WaitingConcern {
  const { suggestions: _, ...request } = concern.request;
  const input = typeof request.toolInput === 'object' && request.toolInput !== null ? request.toolInput : {};
  const texts = Object.entries(input)
    .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
    .slice(0, MAX_FIELDS)
    .map(([name, text]) => [name, cutText(text, MAX_TEXT)]);
  const short = { ...request, toolInput: Object.fromEntries(texts), prompt: cutText(request.prompt, MAX_TEXT) };
  return { ...concern, request: short };
}

export interface ResolvedParts {
  /** The session's pushes: open, accepted, or possibly delivered. */
  pushes: Iterable<PushRecord>;
  sessions: PushSessions;
  epoch: string;
  now: number;
}

type Resolution = EventData<'permissionResolved'>;

/** The requests that these events resolved, and how. */
export const resolutionsIn = (events: readonly EventRecord[]): Resolution[] =>
  events.flatMap(({ type, data }) => (type === 'permissionResolved' ? [JSON.parse(data) as Resolution] : []));

/** The replacements for pushes about a session's resolved requests. */
export function withdrawalPushes(
  { sessionId }: Pick<SessionRecord, 'sessionId'>,
  resolutions: readonly Resolution[],
  { pushes, sessions, epoch, now }: ResolvedParts,
): PushRecord[] {
  if (resolutions.length === 0) return [];
  const sent = Array.from(pushes).filter(({ kind }) => kind !== 'withdrawal');
  return resolutions.flatMap(({ permissionId, byDeviceId, decision }) => {
    const about = sent.filter((push) => push.permissionId === permissionId);
    const subject = about[0] && readAbout(about[0].about);
    if (subject?.what !== 'concern' || !isWaiting(subject.concern)) return [];
    const { concern } = subject;
    const project = sessions.find(sessionId)?.project ?? '';
    return notifiedDevices(about.map(asSent), byDeviceId).map((device) =>
      newPush({ device, about: { what: 'withdrawal', concern, project, decision }, epoch, now }),
    );
  });
}

/** A push about a request. */
export type RequestPush = Pick<PushRecord, 'device' | 'state'>;

/** A failed one can have arrived nevertheless, for example when its answer was lost. */
const asSent = (push: PushRecord): RequestPush =>
  (push.state === 'owed' && push.attempts > 0) || mayHaveArrived(push) ? { ...push, state: 'sending' } : push;

/**
 * Which devices must remove their notification of a resolved request: those that have it, or may be receiving it now,
 * each once. `byDeviceId`: the device that answered, which knows; undefined for a request that expired or was
 * cancelled.
 */
export function notifiedDevices(pushes: readonly RequestPush[], byDeviceId: string | undefined): DeviceRef[] {
  const notified = new Map<string, DeviceRef>();
  for (const { device, state } of pushes) {
    const mayHaveIt = state === 'sending' || state === 'accepted';
    if (mayHaveIt && device.deviceId !== byDeviceId) notified.set(deviceKey(device), device);
  }
  return [...notified.values()];
}
