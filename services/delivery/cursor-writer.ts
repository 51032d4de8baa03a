import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore, StoredCursor } from '../ports/journal.js';
import type { DeviceRef } from '../ports/records.js';

export interface CursorWriterOptions {
  device: DeviceRef;
  cursors: CursorStore;
  epoch: string;
  /** A write failed; it will be tried again. */
  onError: (error: unknown) => void;
}

/** After a failed write: a full disk may have room again. */
const RETRY_MS = 1000;

/** Writes the moves of a device's cursors, those of one turn of the event loop together. */
export class CursorWriter {
  readonly #options: CursorWriterOptions;
  #moved: Map<SessionId, StoredCursor> | undefined;
  #scheduled = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: CursorWriterOptions) {
    this.#options = options;
  }

  move(sessionId: SessionId, seq: number): void {
    this.#put(sessionId, { seq, epoch: this.#options.epoch });
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flushOrRetry());
  }

  /** Rejects when the journal takes no more; what was moved is kept then and tried again. */
  async flush(): Promise<void> {
    const moved = this.#moved;
    this.#moved = undefined;
    if (!moved) return;
    try {
      await this.#options.cursors.writeCursors(this.#options.device, moved);
    } catch (error) {
      for (const [sessionId, cursor] of moved) this.#put(sessionId, cursor);
      throw error;
    }
  }

  /** The device has left the session: what is not written yet must not bring its cursor back. */
  forget(sessionId: SessionId): void {
    this.#moved?.delete(sessionId);
  }

  /** Writes what can be written; nothing is tried again. */
  close(): void {
    clearTimeout(this.#retry);
    this.#closed = true;
    this.flush().catch(this.#options.onError);
  }

  /** Writes at once, and when that fails again and again until it succeeds. */
  flushOrRetry(): void {
    this.#scheduled = false;
    this.flush().catch((error: unknown) => {
      this.#options.onError(error);
      if (this.#closed) return;
      this.#scheduled = true;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.flushOrRetry(), RETRY_MS).unref();
    });
  }

  #put(sessionId: SessionId, cursor: StoredCursor): void {
    this.#moved ??= new Map();
    const known = this.#moved.get(sessionId)?.seq ?? 0;
    this.#moved.set(sessionId, { ...cursor, seq: Math.max(known, cursor.seq) });
  }
}
