import type { Cursor } from '../protocol/client-frames.js';

/** Where a client keeps how far it has come in each session. One store belongs to one device of one daemon. */
export interface CursorStore {
  /** Called once, before the first connection. */
  load(): Promise<ReadonlyMap<string, Cursor>>;
  /** Resolves once the cursor would survive whatever the store is made to survive; only then is it acknowledged. */
  save(sessionId: string, cursor: Cursor): Promise<void>;
  /** The device no longer follows the session. Without this, the next subscription begins where the last one ended. */
  remove?(sessionId: string): Promise<void>;
  /** Gives back what the store holds; called when its client is closed, after the last save. */
  close?(): Promise<void>;
}

/** Forgets with the process. The daemon's own cursor then says where the next one begins. */
export function createMemoryCursorStore(): CursorStore {
  const cursors = new Map<string, Cursor>();
  return {
    load: async () => new Map(cursors),
    save: async (sessionId, cursor) => {
      cursors.set(sessionId, cursor);
    },
    remove: async (sessionId) => {
      cursors.delete(sessionId);
    },
  };
}
