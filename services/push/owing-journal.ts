import type { CursorStore, Journal } from '../ports/journal.js';
import type { PushService } from './push-service.js';

/** The journal, with what devices are owed written in the transaction of its event. `push` is looked up when it is needed. */
export const owingJournal = <J extends Journal>(
  journal: J,
  push: () => Pick<PushService, 'owe' | 'committed' | 'forgotten'>,
): J => ({
  ...journal,
  commit: async (change) => {
    const pushes = push().owe(change);
    await journal.commit(change, pushes);
    push().committed(pushes);
  },
  forget: async (sessionId) => {
    await journal.forget(sessionId);
    push().forgotten(sessionId);
  },
});

/** Positions, of which pushes are told when they are written. */
export const watchedCursors = (cursors: CursorStore, push: () => Pick<PushService, 'acknowledged'>): CursorStore => ({
  ...cursors,
  writeCursors: async (device, moved) => {
    await cursors.writeCursors(device, moved);
    push().acknowledged(device, moved);
  },
});
