import type { SessionId } from '../../protocol/scalars.js';
import type { CursorStore, StoredCursor } from '../ports/journal.js';
import type { DeviceRef } from '../ports/records.js';

export interface CursorWriterOptions {
  device: DeviceRef;
  cursors: CursorStore;
  epoch: string;
  onError: (error: unknown) => void;
}

/** Writes the moves of a device's cursors, those of one turn of the event loop together. */
export class CursorWriter {
  readonly #options: CursorWriterOptions;
  #moved = new Map<SessionId, StoredCursor>();
  #scheduled = false;

  constructor(options: CursorWriterOptions) {
    this.#options = options;
  }

  move(sessionId: SessionId, seq: number): void {
    const known = this.#moved.get(sessionId)?.seq ?? 0;
    this.#moved.set(sessionId, { seq: Math.max(known, seq), epoch: this.#options.epoch });
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#moved.size === 0) return;
    const moved = this.#moved;
    this.#moved = new Map();
    const { cursors, device, onError } = this.#options;
    cursors.writeCursors(device, moved).catch(onError);
  }
}
