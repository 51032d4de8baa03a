import type { CursorStore, Journal } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { PushRecord } from '../ports/outbox.js';
import type { SessionChange } from '../ports/records.js';
import type { PushService } from './push-service.js';

type Owing = Pick<PushService, 'owe' | 'unowed' | 'committed' | 'forgotten'>;

interface Watched<Push> {
  /** Looked up on use. */
  push: () => Push;
  log: Log;
}

/**
 * The journal, extended to write the pushes owed to devices in the transaction of their event. A bug in the push code
 * blocks no session: the event is written, and the missing push is on record.
 */
export const owingJournal = <J extends Journal>(journal: J, watched: Watched<Owing>): J => {
  const { push } = watched;
  const attempt = attempts(watched.log);
  const owe = (change: SessionChange): readonly PushRecord[] =>
    attempt('work out what is owed', () => push().owe(change)) ??
    attempt('record that nothing was owed', () => push().unowed(change)) ??
    [];
  return {
    ...journal,
    commit: async (change) => {
      let pushes: readonly PushRecord[] = [];
      await journal.commit(change, () => {
        pushes = owe(change);
        return pushes;
      });
      // Rows in the journal are read at the next start.
      attempt('take up what is owed', () => push().committed(pushes));
    },
    forget: async (sessionId) => {
      await journal.forget(sessionId);
      attempt('forget what was owed', () => push().forgotten(sessionId));
    },
  };
};

/** Stores positions and reports them to the push service once they are written. */
export const watchedCursors = (
  cursors: CursorStore,
  { push, log }: Watched<Pick<PushService, 'acknowledged'>>,
): CursorStore => ({
  ...cursors,
  writeCursors: async (device, moved) => {
    await cursors.writeCursors(device, moved);
    attempts(log)('note what was seen', () => push().acknowledged(device, moved));
  },
});

/** Undefined after a failure, which is a bug: the log has its location. */
const attempts =
  (log: Log) =>
  <T>(what: string, action: () => T): T | undefined => {
    try {
      return action();
    } catch (error) {
      log.error(`pushes: could not ${what}`, { error: error instanceof Error ? error.stack : String(error) });
      return undefined;
    }
  };
