import type { SessionId } from '../../../protocol/scalars.js';
import type { CursorStore, StoredCursor, StoredSubscription } from '../../ports/cursors.js';
import type { DeviceRef } from '../../ports/records.js';
import { createEventFilter, type EventFilter } from '../feed/session-stream.js';

/** Retry interval when the disk is full. */
const RETRY_MS = 1000;

const NOTHING: StoredSubscription = { events: [], all: false, acknowledges: false };

export interface DeviceSubscriptionOptions {
  device: DeviceRef;
  cursors: CursorStore;
  /** The daemon generated the device id for this connection. */
  isNameless: boolean;
  /** Epoch milliseconds. */
  now: () => number;
  /** The device has subscribed for the first time, or has left without a name. */
  onChanged: () => void;
  /** A write failed and will be retried. */
  onWriteError: (error: unknown) => void;
}

/** The recorded subscription of a device. */
export class DeviceSubscription {
  readonly #options: DeviceSubscriptionOptions;
  #stored = NOTHING;
  #filter: EventFilter = createEventFilter([]);
  #isStored = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: DeviceSubscriptionOptions) {
    this.#options = options;
  }

  get filter(): EventFilter {
    return this.#filter;
  }

  /** All sessions of its person, present and future. */
  get all(): boolean {
    return this.#stored.all;
  }

  get acknowledges(): boolean {
    return this.#stored.acknowledges;
  }

  /** Whether the device ever set an event filter. */
  get hasFilter(): boolean {
    return this.#stored.events.length > 0;
  }

  /** Loads what an earlier connection stored. Returns whether there was anything. */
  load(): boolean {
    const stored = this.#options.cursors.readSubscription(this.#options.device);
    if (!stored) return false;
    this.#isStored = true;
    this.#set(stored);
    // The device returned under its generated id, which now counts as a name.
    if (stored.isNameless && !this.#options.isNameless) this.changeWhenRoom({});
    return true;
  }

  /** A change that cannot be written does not take effect, and nor do the cursors that begin with it. */
  change(changes: Partial<StoredSubscription>, begun?: ReadonlyMap<SessionId, StoredCursor>): void {
    const changed = this.#changed(changes);
    this.#options.cursors.writeSubscription(this.#options.device, changed, begun);
    this.#set(changed);
    this.#written();
  }

  /** Takes effect at once for this connection; a full disk is no reason to close it. */
  changeWhenRoom(changes: Partial<StoredSubscription>): void {
    this.#set(this.#changed(changes));
    this.#writeOrRetry(this.#stored);
  }

  /** The device has left. */
  close(): void {
    clearTimeout(this.#retry);
    const { cursors, device, isNameless, now, onChanged, onWriteError } = this.#options;
    if (!this.#isStored) return;
    try {
      cursors.markSeen(device, now());
    } catch (error) {
      onWriteError(error);
    }
    if (isNameless) onChanged();
  }

  #changed(changes: Partial<StoredSubscription>): StoredSubscription {
    const { now, isNameless } = this.#options;
    return { ...this.#stored, ...changes, seenAt: now(), isNameless };
  }

  #written(): void {
    if (!this.#isStored) this.#options.onChanged();
    this.#isStored = true;
  }

  #writeOrRetry(stored: StoredSubscription): void {
    const { cursors, device, onWriteError } = this.#options;
    try {
      cursors.writeSubscription(device, stored);
    } catch (error) {
      onWriteError(error);
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#writeOrRetry(this.#stored), RETRY_MS).unref();
      return;
    }
    this.#written();
  }

  #set(stored: StoredSubscription): void {
    this.#stored = stored;
    this.#filter = createEventFilter(stored.events);
  }
}
