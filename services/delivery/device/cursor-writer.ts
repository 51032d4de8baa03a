import type { SessionId } from '../../../protocol/scalars.js';
import type { CursorStore, StoredCursor } from '../../ports/cursors.js';
import type { DeviceRef } from '../../ports/records.js';

export interface CursorWriterOptions {
  device: DeviceRef;
  cursors: CursorStore;
  epoch: string;
  /** A write failed and will be retried. */
  onError: (error: unknown) => void;
}

/** Retry interval after a failed write: a full disk can have space again. */
const RETRY_MS = 1000;

/** Writes the moves of a device's cursors, batched per turn of the event loop. */
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

  /** Throws when the journal refuses the write; the moves are then kept. */
  #flush(): void {
    const moved = this.#moved;
    this.#moved = undefined;
    if (!moved) return;
    try {
      this.#options.cursors.writeCursors(this.#options.device, moved);
    } catch (error) {
      for (const [sessionId, cursor] of moved) this.#put(sessionId, cursor);
      throw error;
    }
  }

  /** The device has left the session: pending moves must not restore its cursor. */
  forget(sessionId: SessionId): void {
    this.#moved?.delete(sessionId);
  }

  /** Writes what it can, without a retry. */
  close(): void {
    clearTimeout(this.#retry);
    this.#closed = true;
    try {
      this.#flush();
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** Writes at once, and retries until the write succeeds. */
  flushOrRetry(): void {
    this.#scheduled = false;
    try {
      this.#flush();
    } catch (error) {
      this.#options.onError(error);
      if (this.#closed) return;
      this.#scheduled = true;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.flushOrRetry(), RETRY_MS).unref();
    }
  }

  #put(sessionId: SessionId, cursor: StoredCursor): void {
    this.#moved ??= new Map();
    const known = this.#moved.get(sessionId)?.seq ?? 0;
    this.#moved.set(sessionId, { ...cursor, seq: Math.max(known, cursor.seq) });
  }
}
