import type { EventData } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { PushRecord } from '../ports/outbox.js';
import type { PushSessions } from '../ports/push-people.js';
import type { EventRecord, SessionRecord } from '../ports/records.js';
import { isWaiting } from './concerns.js';
import type { OutboxRows } from './outbox-rows.js';
import { mayHaveArrived, newPush } from './push-record.js';
import { type RequestPush, withdrawalsOf } from './withdrawals.js';

export interface WithdrawalParts {
  rows: Pick<OutboxRows, 'ofSession' | 'aboutOf'>;
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
  parts: WithdrawalParts,
): PushRecord[] {
  return resolutions.flatMap((resolution) => withdrawalsFor(sessionId, resolution, parts));
}

function withdrawalsFor(
  sessionId: SessionId,
  { permissionId, byDeviceId, decision }: Resolution,
  { rows, sessions, epoch, now }: WithdrawalParts,
): PushRecord[] {
  const pushes = [...rows.ofSession(sessionId)].filter(
    (push) => push.permissionId === permissionId && push.kind !== 'withdrawal',
  );
  const [first] = pushes;
  const about = first && rows.aboutOf(first);
  if (about?.what !== 'concern' || !isWaiting(about.concern)) return [];
  const { concern } = about;
  const project = sessions.find(sessionId)?.project ?? '';
  return withdrawalsOf({ pushes: pushes.map(asSent), byDeviceId, openRequests: new Map() }).map(({ device }) =>
    newPush({ device, about: { what: 'withdrawal', concern, project, decision }, epoch, now }),
  );
}

/** A failed one can have arrived nevertheless, for example when its answer was lost. */
const asSent = (push: PushRecord): RequestPush =>
  (push.state === 'owed' && push.attempts > 0) || mayHaveArrived(push) ? { ...push, state: 'sending' } : push;
