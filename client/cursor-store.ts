import type { Cursor } from '../protocol/client-frames.js';

/** Stores a client's position in each session. One store belongs to one device of one daemon. */
export interface CursorStore {
  /** Called once, before the first connection. */
  load(): Promise<ReadonlyMap<string, Cursor>>;
  /** Resolves once the cursor is as durable as the store permits; it is acknowledged only then. */
  save(sessionId: string, cursor: Cursor): Promise<void>;
  /** The device no longer follows the session. Without this, the next subscription starts where the last one ended. */
  remove?(sessionId: string): Promise<void>;
  /** Releases the store's resources; called when its client is closed, after the last save. */
  close?(): Promise<void>;
}

/** Lasts as long as the process. After that, the daemon's own cursor determines the start. */
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
