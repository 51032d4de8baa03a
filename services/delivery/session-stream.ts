import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { BlockPosition } from '../../protocol/client-frames.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { ResumeReason } from '../../protocol/server-frames.js';
import type { Publication } from '../ports/publication.js';
import type { EventRecord } from '../ports/records.js';
import { AskedPermissions } from './asked-permissions.js';
import type { DeliveryParts } from './delivery-parts.js';
import type { EventFilter } from './event-filter.js';
import { Frame } from './frame.js';
import type { StreamSink } from './frame-sink.js';
import { answerFrame, resetFrame } from './frames.js';
import { OpenText } from './open-text.js';
import type { PublicationListener, SharedFrame } from './stream-index.js';

/** The connection as its streams see it. */
export interface StreamOwner {
  readonly sink: StreamSink;
  readonly filter: EventFilter;
  /** The least time between two frames of text of a session, in milliseconds. */
  readonly deltaIntervalMs: number;
  /** A `reset` is on its way: whether it arrives has to be known. */
  onResetSent(): void;
  /** Much text is owed to a device that may have some of it: see `SessionStreamOptions.awaitsPosition`. */
  onPositionAwaited(): void;
  /** Reading failed: the connection cannot go on. */
  onError(error: unknown): void;
}

export interface SessionStreamOptions {
  parts: DeliveryParts;
  owner: StreamOwner;
  sessionId: SessionId;
  /** seq of the last event that the device has. */
  from: number;
  /** seq of the last event when the client was told what it missed: up to it, events count as missed. */
  head: number;
  /** seq of the last event that was published up to now. */
  published: number;
  /** Not everything missed is there: a snapshot takes its place. */
  reset?: ResumeReason;
  /** How much the device has of blocks that are being written. */
  open: readonly BlockPosition[];
  /** It has not said so yet, and may: where that is much, nothing is sent before `positionKnown`. */
  awaitsPosition: boolean;
}

/** More unsent bytes than this, and the connection gets nothing more until they are gone. */
const PAUSE_BYTES = 256 * 1024;
/** Less text than this (UTF-16 units) is sent sooner than it is asked for. */
const SENT_UNASKED = 16 * 1024;
/** What is read from the journal at once. */
const PAGE_EVENTS = 100;
const PAGE_BYTES = 256 * 1024;

/**
 * One session on one connection. While it is live, events go out as they are published. Whatever else it has to catch
 * up with (missed before it came, or held back because the reader is slow) it reads from the journal, so nothing is
 * queued for it in memory.
 */
export class SessionStream implements PublicationListener {
  readonly #parts: DeliveryParts;
  readonly #owner: StreamOwner;
  readonly #sessionId: SessionId;
  readonly #text: OpenText;
  readonly #permissions = new AskedPermissions();
  #mode: 'awaitingPosition' | 'catchingUp' | 'live' | 'paused' | 'closed' = 'catchingUp';
  #sent: number;
  #head: number;
  #published: number;
  #reset: ResumeReason | undefined;
  #resetTo: number | undefined;
  #resetArrived = true;
  #delivered: number | undefined;
  #announcedCaughtUp = false;
  #pumping = false;
  readonly #awaitsPosition: boolean;
  #onSent: (() => void) | undefined;

  constructor(options: SessionStreamOptions) {
    const { parts, owner, sessionId, from, head, published, reset, open, awaitsPosition } = options;
    this.#parts = parts;
    this.#owner = owner;
    this.#sessionId = sessionId;
    this.#sent = from;
    this.#head = head;
    this.#published = published;
    this.#reset = reset;
    this.#awaitsPosition = awaitsPosition;
    this.#text = new OpenText({
      sessionId,
      sink: owner.sink,
      intervalMs: () => owner.deltaIntervalMs,
      openBlocks: () => parts.source.openBlocks(sessionId),
      known: open,
      onGap: () => this.#readUp(),
    });
  }

  /** seq of the last event that went out or that the filter passed over. */
  get sent(): number {
    return this.#sent;
  }

  /** seq of the last event that went out here; undefined before one has. */
  get delivered(): number | undefined {
    return this.#delivered;
  }

  /** Where the last `reset` that went out has put this device. */
  get resetTo(): number | undefined {
    return this.#resetTo;
  }

  /** A `reset` is owed or on its way: what the device says of its position may be from before it. */
  get isResetting(): boolean {
    return this.#reset !== undefined || !this.#resetArrived;
  }

  /** The device has everything up to this seq. */
  arrived(seq: number): void {
    if (this.#resetTo !== undefined && seq >= this.#resetTo) this.#resetArrived = true;
  }

  get #isClosed(): boolean {
    return this.#mode === 'closed';
  }

  start(): void {
    if (!this.#awaitsPosition || !this.#owner.filter.wants('streamData') || this.#text.owed <= SENT_UNASKED) {
      void this.#pump();
      return;
    }
    this.#mode = 'awaitingPosition';
    this.#owner.onPositionAwaited();
  }

  close(): void {
    this.#mode = 'closed';
    this.#text.drop();
    this.#onSent?.();
  }

  /** Resolves when everything that was published has gone out, or the stream is closed. For the end of a session. */
  async untilSent(): Promise<void> {
    if (this.#mode === 'live' || this.#mode === 'closed') return;
    await new Promise<void>((resolve) => {
      this.#onSent = resolve;
    });
  }

  /** Something was published. Never blocks. */
  offer(items: readonly SharedFrame[]): void {
    for (const { item } of items) if (item.kind === 'event') this.#published = item.event.seq;
    if (this.#mode !== 'live') return;
    for (const shared of items) {
      if (!this.#offerLive(shared)) return;
    }
  }

  /** The connection has sent all that it was given. */
  drained(): void {
    if (this.#mode !== 'paused') return;
    this.#mode = 'catchingUp';
    void this.#pump();
  }

  /** The device has said how much text it has, or will not. */
  positionKnown(): void {
    if (this.#mode !== 'awaitingPosition') return;
    this.#mode = 'catchingUp';
    void this.#pump();
  }

  /** False when the stream is not live any more. */
  #offerLive({ item, frame }: SharedFrame): boolean {
    if (this.#isFull()) return false;
    if (item.kind === 'frame') this.#offerFrame(item.frame, frame);
    else if (item.event.seq > this.#sent + 1) this.#readUp();
    else if (item.event.seq > this.#sent) this.#offerEvent(item.event, frame);
    return this.#mode === 'live';
  }

  #offerEvent(event: EventRecord, frame: Frame): void {
    this.#text.flush();
    if (this.#mode === 'live') this.#sendEvent(event, () => frame);
  }

  #offerFrame(positioned: Extract<Publication, { kind: 'frame' }>['frame'], frame: Frame): void {
    const { sink, filter } = this.#owner;
    if (!filter.wants(positioned.type)) return;
    if (positioned.type === 'streamData') {
      this.#text.offer(positioned.data, frame);
      return;
    }
    this.#text.flush();
    if (this.#mode === 'live') sink.send(frame);
  }

  #pause(): void {
    if (this.#mode !== 'closed') this.#mode = 'paused';
    this.#text.drop();
  }

  /** Something before it was not offered: the record and the open blocks have it. */
  #readUp(): void {
    if (this.#mode !== 'closed') this.#mode = 'catchingUp';
    this.#text.drop();
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#mode === 'catchingUp') {
        if (this.#reset) await this.#sendReset(this.#reset);
        else await this.#sendPage();
      }
    } catch (error) {
      // What one reads that has ended may be gone by now, with its session.
      if (!this.#isClosed) this.#owner.onError(error);
    } finally {
      this.#pumping = false;
    }
  }

  async #sendReset(reason: ResumeReason): Promise<void> {
    const { source, journal, onReset } = this.#parts;
    const head = this.#head;
    const sessionId = this.#sessionId;
    await turnOfOthers();
    if (this.#isFull()) return;
    const snapshot = await source.snapshot(sessionId);
    if (this.#mode !== 'catchingUp' || this.#isFull()) return;
    const data = { sessionId, epoch: journal.epoch, head, reason, snapshot };
    this.#owner.sink.send(new Frame(() => resetFrame(data)));
    this.#text.reset();
    this.#sent = head;
    this.#resetTo = head;
    this.#resetArrived = false;
    this.#reset = undefined;
    this.#announcedCaughtUp = false;
    onReset(reason);
    this.#owner.onResetSent();
  }

  async #sendPage(): Promise<void> {
    const page = { sessionId: this.#sessionId, after: this.#sent, limit: PAGE_EVENTS, bytes: PAGE_BYTES };
    const events = await this.#parts.journal.readEvents(page);
    if (this.#mode !== 'catchingUp') return;
    for (const event of events) {
      if (event.seq > this.#published) break;
      if (event.seq > this.#sent + 1) {
        this.#startAnew();
        return;
      }
      if (this.#isFull() || !this.#finishText(event)) return;
      this.#sendMissed(event);
    }
    if (this.#sent >= this.#published) this.#goLive();
    else if (events.length === 0) this.#startAnew();
    else await turnOfOthers();
  }

  /** More than the connection may hold waits already: this stream goes on when it is gone. */
  #isFull(): boolean {
    if (this.#owner.sink.unsent <= PAUSE_BYTES) return false;
    this.#pause();
    return true;
  }

  /** What comes next has been removed while this reader was on its way. */
  #startAnew(): void {
    this.#reset = 'retention';
    this.#head = this.#published;
  }

  #sendMissed(event: EventRecord): void {
    this.#sendEvent(event, () =>
      this.#parts.frames.get(this.#sessionId, event, event.seq <= this.#head ? 'replayed' : 'live'),
    );
    if (!this.#announcedCaughtUp) this.#permissions.sent(event);
  }

  /** `conversationResult` goes to those who asked for it by name. */
  #sendEvent(event: EventRecord, frame: () => Frame): void {
    const { filter, sink } = this.#owner;
    this.#sent = event.seq;
    this.#delivered = event.seq;
    if (filter.wants(event.type)) sink.send(frame());
    if (event.type === 'streamComplete' && filter.names('conversationResult')) {
      sink.send(this.#parts.frames.get(this.#sessionId, event, 'result'));
    }
  }

  /** Runs without a pause up to the mode change, so that nothing can be published in between. */
  #goLive(): void {
    const { sink, filter } = this.#owner;
    const sessionId = this.#sessionId;
    if (this.#isFull()) return;
    if (!this.#announcedCaughtUp && filter.wants('permissionRequest')) {
      this.#permissions.sendOpen(this.#parts.source.openPermissions(sessionId), sink);
    }
    if (filter.wants('streamData') && !this.#text.catchUp(() => this.#isFull())) return;
    if (!this.#announcedCaughtUp) {
      this.#announcedCaughtUp = true;
      const data = { sessionId, seq: this.#sent };
      sink.send(new Frame(() => answerFrame({ type: 'caughtUp', requestId: null, data })));
    }
    if (this.#mode !== 'catchingUp') return;
    this.#mode = 'live';
    this.#onSent?.();
  }

  /** False: there was no room for all that has to come before the event. */
  #finishText(event: EventRecord): boolean {
    const isWanted = event.type === 'assistantMessage' && this.#owner.filter.wants('streamData');
    return !isWanted || this.#text.finish(event, () => this.#isFull());
  }
}
