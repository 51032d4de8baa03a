import type { Cursor } from '../../protocol/client-frames.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { ResumedSession, ResumeReason } from '../../protocol/server-frames.js';
import type { StoredCursor } from '../ports/journal.js';
import type { UserId } from '../ports/records.js';
import type { DeliveryParts } from './delivery-parts.js';

export interface Position {
  cursor: StoredCursor;
  /** Of the journal. */
  epoch: string;
  /** From this seq on nothing is missing. */
  first: number;
  head: number;
}

/** Why what lies after a cursor cannot be sent whole; undefined when it can. */
export function resetReason({ cursor, epoch, first, head }: Position): ResumeReason | undefined {
  if (cursor.epoch !== epoch) return 'epoch';
  if (cursor.seq > head) return 'ahead';
  return cursor.seq + 1 < first ? 'retention' : undefined;
}

type Sources = Pick<DeliveryParts, 'source' | 'journal'>;

/** `first`: the smallest seq that is kept. */
export type ResumePlan = ResumedSession & { sessionId: SessionId; first: number };

/** How a person's reader goes on after a cursor; undefined for a session that is not there. */
export async function planResume(
  { source, journal }: Sources,
  { userId, sessionId, cursor }: { userId: UserId; sessionId: SessionId; cursor: Cursor },
): Promise<ResumePlan | undefined> {
  const head = source.head(userId, sessionId);
  if (head === undefined) return undefined;
  const first = await journal.firstSeq(sessionId);
  const reason = resetReason({ cursor, epoch: journal.epoch, first, head });
  const place = { sessionId, head, first };
  return reason ? { ...place, resume: 'reset', reason, from: head } : { ...place, resume: 'replay', from: cursor.seq };
}
