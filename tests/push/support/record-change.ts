import type { Journal } from '../../../services/ports/journal.js';
import type { SessionPushes } from '../../../services/ports/outbox.js';
import type { KeptChange } from '../../../services/ports/records.js';

/** Records a change with its pushes, as a session does. */
export function recordChange(
  { journal, push }: { journal: Pick<Journal, 'commit'>; push: SessionPushes },
  change: KeptChange,
): void {
  let owed: ReturnType<SessionPushes['owed']> = [];
  journal.commit(change, () => {
    owed = push.owed(change);
    return owed;
  });
  push.committed(change, owed);
}
