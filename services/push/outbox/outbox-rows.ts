import { isStorageError } from '../../../protocol/failures.js';
import type { SessionId } from '../../../protocol/scalars.js';
import { deviceKey } from '../../model/devices.js';
import type { Log } from '../../ports/log.js';
import type { OutboxStore, PushRecord } from '../../ports/outbox.js';
import type { PushMessage } from '../../ports/push.js';
import { OwedRows } from './owed-rows.js';
import { type About, mayHaveArrived, readAbout } from './push-record.js';

/** Delay that lets several changes share one write. */
const SOON_MS = 20;
/** Retry interval after a failed write: a full disk may have space again. */
const RETRY_MS = 1000;

export interface OutboxRowsOptions {
  store: OutboxStore;
  log: Log;
  /** The state of a row has changed. */
  onChange: (push: PushRecord) => void;
}

/** The rows that are not done, in memory as in the journal: failed writes are repeated. */
export class OutboxRows {
  readonly #options: OutboxRowsOptions;
  /** Owed or being sent. */
  readonly #open = new Map<string, PushRecord>();
  /** Accepted and not seen, or given up although possibly delivered. */
  readonly #delivered = new Map<string, PushRecord>();
  readonly #bySession = new Map<SessionId, Set<string>>();
  readonly owed = new OwedRows();
  readonly queues = new AddressQueues();
  readonly #abouts = new Map<string, About>();
  /** By the id of an open row: a repeated push is identical to the first. */
  readonly messages = new Map<string, PushMessage>();
  #added = new Map<string, PushRecord>();
  #changed = new Map<string, PushRecord>();
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: OutboxRowsOptions) {
    this.#options = options;
  }

  load(): void {
    for (const push of this.#options.store.readOpen()) this.take(push);
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Oldest first. */
  open(): Iterable<PushRecord> {
    return this.#open.values();
  }

  find(pushId: string): PushRecord | undefined {
    return this.#open.get(pushId) ?? this.#delivered.get(pushId);
  }

  /** All rows of a session that are owed, being sent, accepted and not seen, or possibly delivered. */
  *ofSession(sessionId: SessionId): Generator<PushRecord> {
    for (const pushId of this.#bySession.get(sessionId) ?? []) {
      const push = this.find(pushId);
      if (push) yield push;
    }
  }

  aboutOf(push: PushRecord): About {
    const known = this.#abouts.get(push.pushId) ?? readAbout(push.about);
    if (this.#open.has(push.pushId)) this.#abouts.set(push.pushId, known);
    return known;
  }

  /** Adds a row that is already in the journal. */
  take(push: PushRecord): void {
    const { pushId, sessionId, state } = push;
    const isOpen = state === 'owed' || state === 'sending';
    this.#delivered.delete(pushId);
    // A row that is present keeps its position.
    if (isOpen) this.#open.set(pushId, push);
    else this.#close(pushId);
    this.owed.put(push);
    this.queues.put(push);
    const isDelivered = state === 'accepted' || mayHaveArrived(push);
    if (isDelivered) this.#delivered.set(pushId, push);
    if (!isOpen && !isDelivered) this.#leave(sessionId, pushId);
    else if (sessionId !== undefined)
      this.#bySession.set(sessionId, (this.#bySession.get(sessionId) ?? new Set()).add(pushId));
  }

  #close(pushId: string): void {
    this.#open.delete(pushId);
    this.#abouts.delete(pushId);
    this.messages.delete(pushId);
  }

  #leave(sessionId: SessionId | undefined, pushId: string): void {
    if (sessionId === undefined) return;
    const ids = this.#bySession.get(sessionId);
    ids?.delete(pushId);
    if (ids?.size === 0) this.#bySession.delete(sessionId);
  }

  /** Sets its next attempt: this change is not journalled. */
  postpone(push: PushRecord, nextTry: number): void {
    if (!this.#open.has(push.pushId)) return;
    const postponed = { ...push, nextTry };
    this.#open.set(push.pushId, postponed);
    this.owed.put(postponed);
  }

  change(push: PushRecord): void {
    if (!this.find(push.pushId)) return;
    this.take(push);
    if (this.#added.has(push.pushId)) this.#added.set(push.pushId, push);
    else this.#changed.set(push.pushId, push);
    this.#options.onChange(push);
  }

  add(push: PushRecord): void {
    this.take(push);
    this.#added.set(push.pushId, push);
    this.#options.onChange(push);
  }

  /** The session and its rows were removed. */
  forget(sessionId: SessionId): void {
    for (const push of this.ofSession(sessionId)) {
      const { pushId } = push;
      this.owed.drop(push);
      for (const rows of [this.#open, this.#delivered, this.#abouts, this.#changed, this.#added]) rows.delete(pushId);
      this.messages.delete(pushId);
    }
    this.#bySession.delete(sessionId);
  }

  /** Rows that were delivered before this moment and never seen are dropped. */
  prune(before: number): void {
    for (const { pushId, sessionId, updatedAt } of Array.from(this.#delivered.values())) {
      if (updatedAt >= before || this.#added.has(pushId) || this.#changed.has(pushId)) continue;
      this.#delivered.delete(pushId);
      this.#leave(sessionId, pushId);
    }
  }

  /** Writes changed rows; does not throw when that fails, and retries later. */
  flush(): void {
    if (this.#added.size === 0 && this.#changed.size === 0) return;
    const [added, changed] = [this.#added, this.#changed];
    this.#added = new Map();
    this.#changed = new Map();
    try {
      this.#options.store.write({ added: [...added.values()], changed: [...changed.values()] });
    } catch (error) {
      this.#options.log.warn('pushes could not be recorded', { error: String(error) });
      if (!isStorageError(error)) return;
      this.#added = added;
      this.#changed = changed;
      if (!this.#closed) this.#retry ??= setTimeout(() => this.#again(), RETRY_MS).unref();
    }
  }

  /**
   * Together with further changes: a crash before that loses only the fact that a push was sent, and it is sent again.
   */
  flushSoon(): void {
    if (this.#closed || this.#retry) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.flush();
    }, SOON_MS);
  }

  close(): void {
    this.flush();
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  #again(): void {
    this.#retry = undefined;
    this.flush();
  }
}

/** The address of a push: a device shows only the last one with the same collapse id. */
export const pushAddressOf = ({ device, collapseId }: PushRecord): string => `${deviceKey(device)}/${collapseId}`;

/**
 * Open pushes without a session, for each push address in the order of writing. One that is being sent keeps its
 * position: it can fail, and must then be sent again before later ones. The clock is not used, as it can be put back.
 */
export class AddressQueues {
  readonly #queues = new Map<string, Set<string>>();

  /** Stores the row's current state. A row that is done is removed. */
  put(push: PushRecord): void {
    const { pushId, sessionId, state } = push;
    if (sessionId !== undefined) return;
    const address = pushAddressOf(push);
    const queue = this.#queues.get(address) ?? new Set<string>();
    if (state === 'owed' || state === 'sending') this.#queues.set(address, queue.add(pushId));
    else if (queue.delete(pushId) && queue.size === 0) this.#queues.delete(address);
  }

  /** Whether this open row must wait for an older one. Once false, it stays false. */
  isBehind(push: PushRecord): boolean {
    if (push.sessionId !== undefined) return false;
    const [first] = this.#queues.get(pushAddressOf(push)) ?? [];
    return first !== push.pushId;
  }
}
