import type { SessionId } from '../../protocol/scalars.js';
import { isStorageError } from '../../protocol/storage-error.js';
import type { Log } from '../ports/log.js';
import type { OutboxStore, PushRecord } from '../ports/outbox.js';
import type { PushMessage } from '../ports/push.js';
import { OwedRows } from './owed-rows.js';
import { PlaceLines } from './place-lines.js';
import { type About, readAbout } from './push-about.js';
import { mayHaveArrived } from './push-record.js';

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
  readonly lines = new PlaceLines();
  readonly #abouts = new Map<string, About>();
  /** By the id of an open row: a repeated push is identical to the first. */
  readonly messages = new Map<string, PushMessage>();
  #added = new Map<string, PushRecord>();
  #changed = new Map<string, PushRecord>();
  #flushing: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: OutboxRowsOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    for (const push of await this.#options.store.readOpen()) this.take(push);
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
    this.lines.put(push);
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

  /** Writes changed rows; also resolves after a failed write, and retries later. */
  async flush(): Promise<void> {
    while (this.#flushing) await this.#flushing;
    if (this.#added.size === 0 && this.#changed.size === 0) return;
    this.#flushing = this.#write();
    await this.#flushing;
    this.#flushing = undefined;
  }

  /**
   * Together with further changes: a crash before that loses only the fact that a push was sent, and it is sent again.
   */
  flushSoon(): void {
    if (this.#closed || this.#retry) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.flush();
    }, SOON_MS);
  }

  async close(): Promise<void> {
    await this.flush();
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  async #write(): Promise<void> {
    const [added, changed] = [this.#added, this.#changed];
    this.#added = new Map();
    this.#changed = new Map();
    try {
      await this.#options.store.write({ added: [...added.values()], changed: [...changed.values()] });
    } catch (error) {
      this.#options.log.warn('pushes could not be recorded', { error: String(error) });
      if (!isStorageError(error)) return;
      // Changes since then are newer.
      this.#changed = new Map([...changed, ...this.#changed]);
      this.#added = new Map([...added, ...this.#added]);
      for (const [pushId, push] of this.#changed) if (this.#added.has(pushId)) this.#added.set(pushId, push);
      for (const pushId of this.#added.keys()) this.#changed.delete(pushId);
      if (!this.#closed) this.#retry ??= setTimeout(() => this.#again(), RETRY_MS).unref();
    }
  }

  #again(): void {
    this.#retry = undefined;
    void this.flush();
  }
}
