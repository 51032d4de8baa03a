import type { ResumeReason } from '../../protocol/server-frames.js';
import type { StoredCursor } from '../ports/journal.js';

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
