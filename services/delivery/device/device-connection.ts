import type { BlockPosition, Cursor, StreamPlace } from '../../../protocol/client-frames.js';
import { CompanionError, invalid } from '../../../protocol/error-codes.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { ResumedSession } from '../../../protocol/server-frames.js';
import type { DeviceRef } from '../../ports/records.js';
import type { DeliveryParts } from '../delivery-parts.js';
import { planResume } from '../feed/resume-verdict.js';
import { type EventFilter, SessionStream, type StreamOwner } from '../feed/session-stream.js';
import type { FrameSink } from '../frames.js';
import { CursorWriter } from './cursor-writer.js';
import { DeviceSubscription } from './device-subscription.js';
import { PositionWait } from './position-wait.js';
import { type ReceiptOwner, Receipts } from './receipts.js';

export interface DeviceConnectionOptions {
  parts: DeliveryParts;
  device: DeviceRef;
  isNameless: boolean;
  sink: FrameSink;
  /** Reading failed: the connection cannot continue. */
  onError: (error: unknown) => void;
  onClose: () => void;
}

export interface SubscribeRequest {
  events: string[];
  sessionIds?: SessionId[];
  cursors?: Readonly<Record<string, StreamPlace>>;
  deltaIntervalMs?: number;
}

type Plan = ResumedSession & { sessionId: SessionId; open?: BlockPosition[] };

interface Subscribed {
  id: SessionId;
  known: Cursor | undefined;
  /** The seq at which its cursor was just created. */
  begun: number | undefined;
  given: StreamPlace | undefined;
}

/** One connection of one device: its subscription, its streams and its position in each. */
export class DeviceConnection implements StreamOwner, ReceiptOwner {
  readonly device: DeviceRef;
  readonly streams = new Map<SessionId, SessionStream>();
  readonly sink: FrameSink;
  readonly onError: (error: unknown) => void;
  deltaIntervalMs = 0;
  readonly #parts: DeliveryParts;
  readonly #onClose: () => void;
  readonly #writer: CursorWriter;
  readonly #receipts: Receipts;
  readonly #subscription: DeviceSubscription;
  readonly #positionWait: PositionWait;
  #planned: Plan[] = [];
  #isStarted = false;
  #closed = false;

  constructor({ parts, device, isNameless, sink, onError, onClose }: DeviceConnectionOptions) {
    this.device = device;
    this.sink = sink;
    this.onError = onError;
    this.#parts = parts;
    this.#onClose = onClose;
    const { cursors, log, journal, now, onDevicesChanged: onChanged } = parts;
    const onWriteError = (error: unknown) =>
      log.warn('the cursor of a device cannot be written', { deviceId: device.deviceId, error: String(error) });
    this.#subscription = new DeviceSubscription({ device, isNameless, cursors, now, onChanged, onWriteError });
    this.#writer = new CursorWriter({ device, cursors, onError: onWriteError, epoch: journal.epoch });
    this.#receipts = new Receipts(this);
    this.#positionWait = new PositionWait({
      confirm: () => sink.confirm(0),
      onOver: () => {
        for (const stream of this.streams.values()) stream.positionKnown();
      },
    });
  }

  get filter(): EventFilter {
    return this.#subscription.filter;
  }

  get acknowledges(): boolean {
    return this.#subscription.acknowledges;
  }

  get unsent(): number {
    return this.sink.unsent;
  }

  confirm(id: number): void {
    this.sink.confirm(id);
  }

  onReceived(sessionId: SessionId, seq: number): void {
    this.streams.get(sessionId)?.arrived(seq);
    this.#writer.move(sessionId, seq);
  }

  onResetSent(): void {
    this.#receipts.askSoon();
  }

  onPositionAwaited(): void {
    this.#positionWait.begin();
  }

  /** The device's earlier subscription; `start` then streams it. */
  resume(): ResumedSession[] {
    const { cursors, source } = this.#parts;
    if (!this.#subscription.load()) return [];
    const known = cursors.readCursors(this.device);
    const wanted = new Set([...known.keys(), ...(this.#subscription.all ? source.owned(this.device.userId) : [])]);
    const found = [...wanted].flatMap((id) => this.#plan(id, known.get(id) ?? this.#beginning()) ?? []);
    const opened = this.#planned.filter(({ sessionId }) => !found.some((plan) => plan.sessionId === sessionId));
    this.#planned = [...found, ...opened];
    return this.#planned.map(shown);
  }

  start(): void {
    this.#isStarted = true;
    for (const plan of this.#planned) this.#begin(plan, { awaitsPosition: !this.#positionWait.isOver });
    this.#planned = [];
  }

  /** Changes the subscription. Running streams continue, unless a cursor is given for them. */
  subscribe({ events, sessionIds, cursors = {}, deltaIntervalMs = 0 }: SubscribeRequest) {
    const { source } = this.#parts;
    const owned = source.owned(this.device.userId);
    for (const sessionId of sessionIds ?? []) this.#requireOwned(sessionId);
    for (const sessionId of Object.keys(cursors)) this.#requireOwned(sessionId as SessionId, 'cursors');
    const wanted = [...new Set([...(sessionIds ?? owned), ...(Object.keys(cursors) as SessionId[])])];
    const known = this.#parts.cursors.readCursors(this.device);
    const begun = this.#beginnings(wanted.filter((id) => !known.has(id)));
    const all = this.#subscription.all || sessionIds === undefined;
    this.#subscription.change({ events, all }, begun);
    this.deltaIntervalMs = deltaIntervalMs;
    const plans = wanted.map((id) =>
      this.#planSubscribed({ id, known: known.get(id), begun: begun.get(id)?.seq, given: cursors[id] }),
    );
    return { sessions: plans.filter((plan) => plan !== undefined), begin: () => this.#beginAll(plans) };
  }

  /**
   * Streams a session that this device has just used, from here or from this seq, if it was not streamed, and records
   * that at once.
   */
  join(sessionId: SessionId, seq?: number): void {
    if (this.streams.has(sessionId) || this.#closed) return;
    const head = this.#parts.source.head(this.device.userId, sessionId) ?? 0;
    const from = Math.min(seq ?? head, head);
    if (!this.#subscription.hasFilter) this.#subscription.changeWhenRoom({ events: ['*'] });
    this.#writer.move(sessionId, from);
    this.#writer.flushOrRetry();
    this.#begin({ sessionId, resume: 'replay', from, head });
  }

  unsubscribe(sessionIds: SessionId[]): void {
    for (const sessionId of sessionIds) this.#requireOwned(sessionId);
    // This order matters: a session under `all` without a cursor would be sent from its beginning.
    if (this.#subscription.all) this.#subscription.change({ all: false });
    for (const sessionId of sessionIds) this.#writer.forget(sessionId);
    this.#parts.cursors.removeCursors(this.device, sessionIds);
    for (const sessionId of sessionIds) this.forget(sessionId);
  }

  /** The device has durably received everything up to this seq. */
  ack(sessionId: SessionId, seq: number): void {
    const head = this.#requireOwned(sessionId);
    const stream = this.streams.get(sessionId);
    if (!stream) throw invalid('sessionId', 'must be a session that this device subscribes to');
    if (seq > head) throw invalid('seq', `must be at most ${head}, the last event of the session`);
    if (!this.#subscription.acknowledges) this.#subscription.changeWhenRoom({ acknowledges: true });
    // The position can be from before the reset, where it means another event.
    if (!stream.isResetting) this.#writer.move(sessionId, seq);
  }

  /** Asks the device for a sign of life, which also serves as a receipt: see `received`. */
  ping(): void {
    this.#receipts.ask();
  }

  /** Everything sent before `sink.confirm(id)` has arrived, which moves the cursor of a device that never acks. */
  received(id: number): void {
    this.#receipts.confirmed(id);
    this.#positionWait.confirmed();
  }

  drained(): void {
    for (const stream of this.streams.values()) stream.drained();
  }

  /** A new session of this person. */
  opened(sessionId: SessionId): void {
    if (!this.#subscription.all || this.streams.has(sessionId)) return;
    this.#writer.move(sessionId, 0);
    const plan: Plan = { sessionId, resume: 'replay', from: 0, head: 0 };
    // Nothing is streamed before the welcome.
    if (this.#isStarted) this.#begin(plan);
    else this.#planned.push(plan);
  }

  forget(sessionId: SessionId): void {
    const stream = this.streams.get(sessionId);
    if (!stream) return;
    stream.close();
    this.streams.delete(sessionId);
    this.#parts.index.remove(sessionId, stream);
  }

  /** The session is about to be removed: pending moves must not restore its cursor. */
  forgetFully(sessionId: SessionId): void {
    this.#writer.forget(sessionId);
    this.forget(sessionId);
  }

  close(): void {
    this.#closed = true;
    for (const sessionId of this.streams.keys()) this.forget(sessionId);
    this.#receipts.close();
    this.#positionWait.close();
    this.#writer.close();
    this.#subscription.close();
    this.#onClose();
  }

  #requireOwned(sessionId: SessionId, field = 'sessionId'): number {
    const head = this.#parts.source.head(this.device.userId, sessionId);
    if (head !== undefined) return head;
    throw new CompanionError('SESSION_NOT_FOUND', 'There is no such session.', { field });
  }

  #beginning(): Cursor {
    return { epoch: this.#parts.journal.epoch, seq: 0 };
  }

  /** A session that is new to the device begins at its head. */
  #beginnings(sessionIds: SessionId[]): Map<SessionId, Cursor> {
    const { journal, source } = this.#parts;
    const { epoch } = journal;
    return new Map(sessionIds.map((id) => [id, { epoch, seq: source.head(this.device.userId, id) ?? 0 }]));
  }

  #planSubscribed({ id, known, begun = 0, given }: Subscribed) {
    const head = this.#parts.source.head(this.device.userId, id) ?? 0;
    if (given) return this.#planGiven(id, given);
    const running = this.streams.get(id);
    if (running) return { sessionId: id, resume: 'live' as const, from: running.sent, head };
    if (known) return this.#plan(id, known);
    return { sessionId: id, resume: 'replay' as const, from: begun, head };
  }

  #planGiven(id: SessionId, { open, alsoOpen = [], ...cursor }: StreamPlace): Plan | undefined {
    const plan = this.#plan(id, cursor);
    return plan && { ...plan, open: open ? [open, ...alsoOpen] : alsoOpen };
  }

  #beginAll(plans: (Plan | undefined)[]): void {
    for (const plan of plans) {
      if (!plan || (plan.resume === 'live' && this.streams.has(plan.sessionId))) continue;
      this.forget(plan.sessionId);
      this.#begin(plan);
    }
    this.#positionWait.end();
  }

  #plan(sessionId: SessionId, cursor: Cursor): Plan | undefined {
    return planResume(this.#parts, { userId: this.device.userId, sessionId, cursor });
  }

  #begin({ sessionId, from, head, reason, open = [] }: Plan, { awaitsPosition = false } = {}): void {
    if (this.#closed) return;
    const published = this.#parts.source.head(this.device.userId, sessionId);
    // The session was purged meanwhile.
    if (published === undefined) return;
    const place = { sessionId, from, head, published, open, awaitsPosition, ...(reason && { reset: reason }) };
    const stream = new SessionStream({ parts: this.#parts, owner: this, ...place });
    this.streams.set(sessionId, stream);
    this.#parts.index.add(sessionId, stream);
    stream.start();
  }
}

const shown = ({ sessionId, resume, reason, from, head }: Plan): ResumedSession => ({
  sessionId,
  resume,
  ...(reason && { reason }),
  from,
  head,
});
