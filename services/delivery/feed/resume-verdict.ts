import type { Cursor } from '../../../protocol/client-frames.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { ResumedSession, ResumeReason } from '../../../protocol/server-frames.js';
import type { StoredCursor } from '../../ports/cursors.js';
import type { UserId } from '../../ports/records.js';
import type { DeliveryParts } from '../delivery-parts.js';

export interface Position {
  cursor: StoredCursor;
  /** The journal's epoch. */
  epoch: string;
  /** The seq from which no event is missing. */
  first: number;
  head: number;
}

/** Why the events after a cursor cannot be sent completely; undefined when they can. */
export function resetReason({ cursor, epoch, first, head }: Position): ResumeReason | undefined {
  if (cursor.epoch !== epoch) return 'epoch';
  if (cursor.seq > head) return 'ahead';
  return cursor.seq + 1 < first ? 'retention' : undefined;
}

type Sources = Pick<DeliveryParts, 'source' | 'journal'>;

/** `first`: the smallest stored seq. */
export type ResumePlan = ResumedSession & { sessionId: SessionId; first: number };

/** How a person's reader continues after a cursor; undefined for an unknown session. */
export function planResume(
  { source, journal }: Sources,
  { userId, sessionId, cursor }: { userId: UserId; sessionId: SessionId; cursor: Cursor },
): ResumePlan | undefined {
  const head = source.head(userId, sessionId);
  if (head === undefined) return undefined;
  const first = journal.firstSeq(sessionId);
  const reason = resetReason({ cursor, epoch: journal.epoch, first, head });
  const place = { sessionId, head, first };
  return reason ? { ...place, resume: 'reset', reason, from: head } : { ...place, resume: 'replay', from: cursor.seq };
}
