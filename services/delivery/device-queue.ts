import type { QueuedSession } from '../../protocol/rest.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore, Journal, StoredCursor } from '../ports/journal.js';
import type { DeviceRef } from '../ports/records.js';
import type { SessionSource } from '../ports/session-source.js';
import { resetReason } from './resume-verdict.js';

export interface QueueSources {
  journal: Journal;
  cursors: CursorStore;
  source: SessionSource;
}

/** The undelivered events of a device in each session that it follows; undefined for a device that never subscribed. */
export async function readDeviceQueue(sources: QueueSources, device: DeviceRef): Promise<QueuedSession[] | undefined> {
  const { journal, cursors, source } = sources;
  const subscription = await cursors.readSubscription(device);
  if (!subscription) return undefined;
  const known = await cursors.readCursors(device);
  const followed = new Set([...known.keys(), ...(subscription.all ? source.owned(device.userId) : [])]);
  const queued: QueuedSession[] = [];
  for (const sessionId of followed) {
    const head = source.head(device.userId, sessionId);
    const cursor = known.get(sessionId) ?? { epoch: journal.epoch, seq: 0 };
    if (head !== undefined) queued.push(await queueOf(journal, { sessionId, cursor, head }));
  }
  return queued;
}

interface Followed {
  sessionId: SessionId;
  cursor: StoredCursor;
  head: number;
}

async function queueOf(journal: Journal, { sessionId, cursor, head }: Followed): Promise<QueuedSession> {
  const reason = resetReason({ cursor, head, epoch: journal.epoch, first: await journal.firstSeq(sessionId) });
  const nothing = { sessionId, depth: 0, oldest: null, newest: null, from: head, head };
  if (reason) return { ...nothing, resume: 'reset', reason };
  if (cursor.seq === head) return { ...nothing, resume: 'replay' };
  const timeOf = async (seq: number): Promise<string | null> => {
    const event = await journal.findEvent(sessionId, seq);
    return event ? new Date(event.at).toISOString() : null;
  };
  return {
    sessionId,
    depth: head - cursor.seq,
    oldest: await timeOf(cursor.seq + 1),
    newest: await timeOf(head),
    from: cursor.seq,
    head,
    resume: 'replay',
  };
}
