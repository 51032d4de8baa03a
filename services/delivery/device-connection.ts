import type { Cursor } from '../../protocol/client-frames.js';
import { CompanionError, invalid } from '../../protocol/error-codes.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { ResumedSession, ResumeReason } from '../../protocol/server-frames.js';
import type { CursorStore, Journal, StoredSubscription } from '../ports/journal.js';
import type { DeviceRef } from '../ports/records.js';
import type { SessionSource } from '../ports/session-source.js';
import { CursorWriter } from './cursor-writer.js';
import { createEventFilter, type EventFilter } from './event-filter.js';
import type { FrameCache } from './frame-cache.js';
import type { FrameSink } from './frame-sink.js';
import { Receipts } from './receipts.js';
import { resetReason } from './resume-verdict.js';
import { SessionStream } from './session-stream.js';
import type { StreamIndex } from './stream-index.js';

export interface DeviceConnectionOptions {
  device: DeviceRef;
  journal: Journal;
  cursors: CursorStore;
  source: SessionSource;
  frames: FrameCache;
  index: StreamIndex;
  sink: FrameSink;
  onReset: (reason: ResumeReason) => void;
  /** Reading failed: the connection cannot go on. */
  onError: (error: unknown) => void;
  /** A position could not be written. */
  onWriteError: (error: unknown) => void;
  onClose: () => void;
}

export interface SubscribeRequest {
  events: string[];
  sessionIds?: SessionId[];
  cursors?: Readonly<Record<string, Cursor>>;
}

type Plan = ResumedSession & { sessionId: SessionId };

interface Subscribed {
  id: SessionId;
  known: Cursor | undefined;
  /** Where its cursor has been put just now. */
  begun: number | undefined;
  given: Cursor | undefined;
}

/** After a full disk, when to try again. */
const RETRY_MS = 1000;

const NOTHING: StoredSubscription = { events: [], all: false, acknowledges: false };

/** One connection of one device: its subscription, its streams and how far it has come in each. */
export class DeviceConnection {
  readonly device: DeviceRef;
  readonly #options: DeviceConnectionOptions;
  readonly #streams = new Map<SessionId, SessionStream>();
  readonly #writer: CursorWriter;
  readonly #receipts: Receipts;
  #subscription = NOTHING;
  #filter: EventFilter = createEventFilter([]);
  #planned: Plan[] = [];
  #closed = false;

  constructor(options: DeviceConnectionOptions) {
    this.#options = options;
    this.device = options.device;
    this.#writer = new CursorWriter({ ...options, onError: options.onWriteError, epoch: options.journal.epoch });
    this.#receipts = new Receipts({
      ask: (id) => options.sink.confirm(id),
      streams: this.#streams,
      acknowledges: () => this.#subscription.acknowledges,
      onReceived: (sessionId, seq) => this.#writer.move(sessionId, seq),
    });
  }

  get unsent(): number {
    return this.#options.sink.unsent;
  }

  /** What the device was subscribed to before; `start` then streams it. */
  async resume(): Promise<ResumedSession[]> {
    const { cursors, source } = this.#options;
    const stored = await cursors.readSubscription(this.device);
    if (!stored) return [];
    this.#setSubscription(stored);
    const known = await cursors.readCursors(this.device);
    const wanted = new Set([...known.keys(), ...(stored.all ? source.owned(this.device.userId) : [])]);
    const plans = await Promise.all([...wanted].map((id) => this.#plan(id, known.get(id) ?? this.#beginning())));
    this.#planned = plans.filter((plan) => plan !== undefined);
    return this.#planned.map(shown);
  }

  start(): void {
    for (const plan of this.#planned) this.#begin(plan);
    this.#planned = [];
  }

  /** Changes the subscription. Sessions that stream already go on, unless a cursor is given for them. */
  async subscribe({ events, sessionIds, cursors = {} }: SubscribeRequest) {
    const { source } = this.#options;
    const owned = source.owned(this.device.userId);
    for (const sessionId of sessionIds ?? []) this.#requireOwned(sessionId);
    for (const sessionId of Object.keys(cursors)) this.#requireOwned(sessionId as SessionId, 'cursors');
    const wanted = [...new Set([...(sessionIds ?? owned), ...(Object.keys(cursors) as SessionId[])])];
    const known = await this.#options.cursors.readCursors(this.device);
    const begun = await this.#beginCursors(wanted.filter((id) => !known.has(id)));
    const all = this.#subscription.all || sessionIds === undefined;
    await this.#store({ ...this.#subscription, events, all });
    const plans = await Promise.all(
      wanted.map((id) => this.#planSubscribed({ id, known: known.get(id), begun: begun.get(id), given: cursors[id] })),
    );
    return { sessions: plans.filter((plan) => plan !== undefined), begin: () => this.#beginAll(plans) };
  }

  /** A session that this device has just used: it is streamed from here, or this seq, on, if it was not, and that is recorded at once. */
  join(sessionId: SessionId, seq?: number): void {
    if (this.#streams.has(sessionId) || this.#closed) return;
    const head = this.#options.source.head(this.device.userId, sessionId) ?? 0;
    const from = Math.min(seq ?? head, head);
    if (this.#subscription.events.length === 0) this.#storeWhenRoom({ ...this.#subscription, events: ['*'] });
    this.#writer.move(sessionId, from);
    this.#writer.flushOrRetry();
    this.#begin({ sessionId, resume: 'replay', from, head });
  }

  async unsubscribe(sessionIds: SessionId[]): Promise<void> {
    for (const sessionId of sessionIds) this.#requireOwned(sessionId);
    // In this order: one of all sessions without a cursor would be sent from its beginning.
    if (this.#subscription.all) await this.#store({ ...this.#subscription, all: false });
    await this.#options.cursors.removeCursors(this.device, sessionIds);
    for (const sessionId of sessionIds) this.forget(sessionId);
  }

  /** The device has everything up to this seq, for good. */
  ack(sessionId: SessionId, seq: number): void {
    const head = this.#requireOwned(sessionId);
    if (!this.#streams.has(sessionId)) throw invalid('sessionId', 'must be a session that this device subscribes to');
    if (seq > head) throw invalid('seq', `must be at most ${head}, the last event of the session`);
    if (!this.#subscription.acknowledges) this.#storeWhenRoom({ ...this.#subscription, acknowledges: true });
    this.#writer.move(sessionId, seq);
  }

  /** Asks the device for a sign of life, which is a receipt as well: see `received`. */
  ping(): void {
    this.#receipts.ask();
  }

  /** What was sent before `sink.confirm(id)` has arrived: a device that never acknowledges by itself does so by that. */
  received(id: number): void {
    this.#receipts.confirmed(id);
  }

  drained(): void {
    for (const stream of this.#streams.values()) stream.drained();
  }

  /** A new session of this person. */
  opened(sessionId: SessionId): void {
    if (!this.#subscription.all || this.#streams.has(sessionId)) return;
    this.#writer.move(sessionId, 0);
    this.#begin({ sessionId, resume: 'replay', from: 0, head: 0 });
  }

  forget(sessionId: SessionId): void {
    const stream = this.#streams.get(sessionId);
    if (!stream) return;
    stream.close();
    this.#streams.delete(sessionId);
    this.#options.index.remove(sessionId, stream);
  }

  close(): void {
    this.#closed = true;
    for (const sessionId of this.#streams.keys()) this.forget(sessionId);
    this.#receipts.close();
    this.#writer.close();
    this.#options.onClose();
  }

  #requireOwned(sessionId: SessionId, field = 'sessionId'): number {
    const head = this.#options.source.head(this.device.userId, sessionId);
    if (head !== undefined) return head;
    throw new CompanionError('SESSION_NOT_FOUND', 'There is no such session.', { field });
  }

  #beginning(): Cursor {
    return { epoch: this.#options.journal.epoch, seq: 0 };
  }

  /** A session that the device has not followed before begins at its head. It is on record before the subscription is. */
  async #beginCursors(sessionIds: SessionId[]): Promise<Map<SessionId, number>> {
    const begun = new Map(sessionIds.map((id) => [id, this.#options.source.head(this.device.userId, id) ?? 0]));
    for (const [sessionId, head] of begun) this.#writer.move(sessionId, head);
    await this.#writer.flush();
    return begun;
  }

  async #planSubscribed({ id, known, begun = 0, given }: Subscribed) {
    const head = this.#options.source.head(this.device.userId, id) ?? 0;
    if (given) return this.#plan(id, given);
    const running = this.#streams.get(id);
    if (running) return { sessionId: id, resume: 'live' as const, from: running.sent, head };
    if (known) return this.#plan(id, known);
    return { sessionId: id, resume: 'replay' as const, from: begun, head };
  }

  #beginAll(plans: (Plan | undefined)[]): void {
    for (const plan of plans) {
      if (!plan || (plan.resume === 'live' && this.#streams.has(plan.sessionId))) continue;
      this.forget(plan.sessionId);
      this.#begin(plan);
    }
  }

  /** Whether all after the cursor is there; undefined for a session that is not. */
  async #plan(sessionId: SessionId, cursor: Cursor): Promise<Plan | undefined> {
    const { source, journal } = this.#options;
    const head = source.head(this.device.userId, sessionId);
    if (head === undefined) return undefined;
    const first = await journal.firstSeq(sessionId);
    const reason = resetReason({ cursor, epoch: journal.epoch, first, head });
    if (reason) return { sessionId, resume: 'reset', reason, from: head, head };
    return { sessionId, resume: 'replay', from: cursor.seq, head };
  }

  #begin({ sessionId, from, head, reason }: Plan): void {
    if (this.#closed) return;
    const { journal, source, frames, sink, onReset, onError } = this.#options;
    const stream = new SessionStream({
      sessionId,
      journal,
      source,
      frames,
      sink,
      filter: () => this.#filter,
      from,
      head,
      published: source.head(this.device.userId, sessionId) ?? head,
      onReset,
      onError,
      onResetSent: () => this.#receipts.askSoon(),
      ...(reason && { reset: reason }),
    });
    this.#streams.set(sessionId, stream);
    this.#options.index.add(sessionId, stream);
    stream.start();
  }

  /** What cannot be written has not happened. */
  async #store(subscription: StoredSubscription): Promise<void> {
    await this.#options.cursors.writeSubscription(this.device, subscription);
    this.#setSubscription(subscription);
  }

  /** Holds at once for this connection, and is no reason to close it while the disk is full. */
  #storeWhenRoom(subscription: StoredSubscription): void {
    this.#setSubscription(subscription);
    this.#options.cursors.writeSubscription(this.device, subscription).catch((error: unknown) => {
      this.#options.onWriteError(error);
      setTimeout(() => {
        if (!this.#closed && this.#subscription === subscription) this.#storeWhenRoom(subscription);
      }, RETRY_MS).unref();
    });
  }

  #setSubscription(subscription: StoredSubscription): void {
    this.#subscription = subscription;
    this.#filter = createEventFilter(subscription.events);
  }
}

const shown = ({ sessionId, resume, reason, from, head }: Plan): ResumedSession => ({
  sessionId,
  resume,
  ...(reason && { reason }),
  from,
  head,
});
