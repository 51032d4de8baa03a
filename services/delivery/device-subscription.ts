import type { CursorStore, StoredSubscription } from '../ports/journal.js';
import type { DeviceRef } from '../ports/records.js';
import { createEventFilter, type EventFilter } from './event-filter.js';

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

  /** Loads what an earlier connection stored. Resolves to whether there was anything. */
  async load(): Promise<boolean> {
    const stored = await this.#options.cursors.readSubscription(this.#options.device);
    if (!stored) return false;
    this.#isStored = true;
    this.#set(stored);
    // The device returned under its generated id, which now counts as a name.
    if (stored.isNameless && !this.#options.isNameless) this.changeWhenRoom({});
    return true;
  }

  /** A change that cannot be written does not take effect. */
  async change(changes: Partial<StoredSubscription>): Promise<void> {
    const changed = this.#changed(changes);
    await this.#options.cursors.writeSubscription(this.#options.device, changed);
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
    cursors.markSeen(device, now()).catch(onWriteError);
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
    const failed = (error: unknown) => {
      onWriteError(error);
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#writeOrRetry(this.#stored), RETRY_MS).unref();
    };
    cursors.writeSubscription(device, stored).then(() => this.#written(), failed);
  }

  #set(stored: StoredSubscription): void {
    this.#stored = stored;
    this.#filter = createEventFilter(stored.events);
  }
}
