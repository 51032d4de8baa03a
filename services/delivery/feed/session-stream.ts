import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { BlockPosition } from '../../../protocol/client-frames.js';
import type { EventData } from '../../../protocol/events.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { PositionedType, ResumeReason } from '../../../protocol/server-frames.js';
import type { Publication } from '../../ports/publication.js';
import type { EventRecord } from '../../ports/records.js';
import type { DeliveryParts, PublicationListener, SharedFrame } from '../delivery-parts.js';
import { answerFrame, Frame, permissionCopyFrame, positionedFrame, resetFrame, type StreamSink } from '../frames.js';
import { OpenText } from './open-text.js';

/** The connection as seen by its streams. */
export interface StreamOwner {
  readonly sink: StreamSink;
  readonly filter: EventFilter;
  /** Minimum time between two text frames of a session, in milliseconds. */
  readonly deltaIntervalMs: number;
  /** A `reset` was sent: its arrival must be confirmed. */
  onResetSent(): void;
  /** Much text is owed to a device that can already have some of it: see `SessionStreamOptions.awaitsPosition`. */
  onPositionAwaited(): void;
  /** Reading failed: the connection cannot continue. */
  onError(error: unknown): void;
}

export interface SessionStreamOptions {
  parts: DeliveryParts;
  owner: StreamOwner;
  sessionId: SessionId;
  /** seq of the device's last event. */
  from: number;
  /** seq of the last event when the client was told what it missed: events up to it count as missed. */
  head: number;
  /** seq of the last published event. */
  published: number;
  /** Some missed events are gone: a snapshot replaces them. */
  reset?: ResumeReason;
  /** The device's positions in blocks that are being written. */
  open: readonly BlockPosition[];
  /** The device can still report its position: if much text is owed, nothing is sent before `positionKnown`. */
  awaitsPosition: boolean;
}

/** Above this many unsent bytes, the connection pauses until they are sent. */
const PAUSE_BYTES = 256 * 1024;
/** Less text than this (UTF-16 units) is sent without waiting for the device's position. */
const SENT_UNASKED = 16 * 1024;
/** Events per read from the journal. */
const PAGE_EVENTS = 100;
const PAGE_BYTES = 256 * 1024;

/**
 * One session on one connection. A live stream sends events as they are published. Anything else to catch up with
 * (missed while away, or held back for a slow reader) is read from the journal, so nothing is queued in memory.
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
  /** The reader lacks the list of tasks, which no event contains. */
  #owesTasks = true;
  #pumping = false;
  #hasToldReplay = false;
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

  /** seq of the last event that was sent or skipped by the filter. */
  get sent(): number {
    return this.#sent;
  }

  /** seq of the last event sent here; undefined before the first. */
  get delivered(): number | undefined {
    return this.#delivered;
  }

  /** The position set by the last sent `reset`. */
  get resetTo(): number | undefined {
    return this.#resetTo;
  }

  /** A `reset` is owed or in flight: the device's reported position can be from before it. */
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

  /** Resolves when everything published has been sent, or the stream is closed. Used at the end of a session. */
  async untilSent(): Promise<void> {
    if (this.#mode === 'live' || this.#mode === 'closed') return;
    await new Promise<void>((resolve) => {
      this.#onSent = resolve;
    });
  }

  /** Something was published. Never blocks. */
  offer(items: readonly SharedFrame[]): void {
    for (const { item } of items) {
      if (item.kind === 'event') this.#published = item.event.seq;
      else if (item.frame.type === 'tasks') this.#owesTasks = true;
    }
    if (this.#mode !== 'live') return;
    for (const shared of items) {
      if (!this.#offerLive(shared)) return;
    }
  }

  /** The connection has sent everything it was given. */
  drained(): void {
    if (this.#mode !== 'paused') return;
    this.#mode = 'catchingUp';
    void this.#pump();
  }

  /** The device has reported its position in the text, or will not. */
  positionKnown(): void {
    if (this.#mode !== 'awaitingPosition') return;
    this.#mode = 'catchingUp';
    void this.#pump();
  }

  /** False when the stream is no longer live. */
  #offerLive({ item, frame }: SharedFrame): boolean {
    if (this.#isFull()) return false;
    if (item.kind === 'frame') this.#offerFrame(item.frame, frame);
    else if (item.event.seq > this.#sent + 1) this.#readUp();
    else if (item.event.seq > this.#sent) this.#offerEvent(item.event, frame);
    return this.#mode === 'live';
  }

  #offerEvent(event: EventRecord, frame: Frame): void {
    this.#text.flush();
    // A gap in the held text: the stream has caught up at once, with this event.
    if (this.#mode === 'live' && event.seq > this.#sent) this.#sendEvent(event, () => frame);
  }

  #offerFrame(positioned: Extract<Publication, { kind: 'frame' }>['frame'], frame: Frame): void {
    const { sink, filter } = this.#owner;
    if (!filter.wants(positioned.type)) return;
    if (positioned.type === 'streamData') {
      this.#text.offer(positioned.data, frame);
      return;
    }
    if (NAMED_ONLY.has(positioned.type) && !filter.names(positioned.type)) return;
    this.#text.flush();
    if (this.#mode !== 'live') return;
    sink.send(frame);
    if (positioned.type === 'tasks') this.#owesTasks = false;
  }

  #pause(): void {
    if (this.#mode !== 'closed') this.#mode = 'paused';
    this.#text.drop();
  }

  /** Skipped items are read from the record and the open blocks. */
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
      // After the stream has ended, its session can be gone too.
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
    this.#owesTasks = true;
    onReset(reason);
    this.#owner.onResetSent();
  }

  async #sendPage(): Promise<void> {
    const page = { sessionId: this.#sessionId, after: this.#sent, limit: PAGE_EVENTS, bytes: PAGE_BYTES };
    const events = this.#parts.journal.readEvents(page);
    this.#tellReplay(events[0]);
    for (const event of events) {
      if (event.seq > this.#published) break;
      if (event.seq > this.#sent + 1) {
        this.#requireReset();
        return;
      }
      if (this.#isFull() || !this.#finishText(event)) return;
      this.#sendMissed(event);
    }
    if (this.#sent >= this.#published) this.#goLive();
    else if (events.length === 0) this.#requireReset();
    else await turnOfOthers();
  }

  /** Once: what is read later was missed by a reader that is slow, not away. */
  #tellReplay(oldest: EventRecord | undefined): void {
    const { onReplay, now } = this.#parts;
    if (oldest && !this.#hasToldReplay) onReplay?.(this.#published - this.#sent, Math.max(0, now() - oldest.at));
    this.#hasToldReplay = true;
  }

  /** The connection's buffer is full: this stream continues when it drains. */
  #isFull(): boolean {
    if (this.#owner.sink.unsent <= PAUSE_BYTES) return false;
    this.#pause();
    return true;
  }

  /** The next events were removed while this reader was catching up. */
  #requireReset(): void {
    this.#reset = 'retention';
    this.#head = this.#published;
  }

  #sendMissed(event: EventRecord): void {
    this.#sendEvent(event, () =>
      this.#parts.frames.get(this.#sessionId, event, event.seq <= this.#head ? 'replayed' : 'live'),
    );
    if (!this.#announcedCaughtUp) this.#permissions.sent(event);
  }

  /** `conversationResult` is sent only to readers that requested it by name. */
  #sendEvent(event: EventRecord, frame: () => Frame): void {
    const { filter, sink } = this.#owner;
    this.#sent = event.seq;
    this.#delivered = event.seq;
    const isWanted = filter.wants(event.type);
    this.#parts.onEvent?.(isWanted ? 'sent' : 'filtered');
    if (isWanted) sink.send(frame());
    if (event.type === 'streamComplete' && filter.names('conversationResult')) {
      sink.send(this.#parts.frames.get(this.#sessionId, event, 'result'));
    }
  }

  /** Runs synchronously up to the mode change, so that nothing can be published in between. */
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
    this.#sendTasks();
    if (this.#mode !== 'catchingUp') return;
    this.#mode = 'live';
    this.#onSent?.();
  }

  #sendTasks(): void {
    const { sink, filter } = this.#owner;
    if (!this.#owesTasks || !filter.wants('tasks')) return;
    const data = this.#parts.source.tasks(this.#sessionId);
    if (data) sink.send(positionedFrame({ type: 'tasks', data }));
    this.#owesTasks = false;
  }

  /** False: the text that must precede the event did not fit. */
  #finishText(event: EventRecord): boolean {
    const isWanted = event.type === 'assistantMessage' && this.#owner.filter.wants('streamData');
    return !isWanted || this.#text.finish(event, () => this.#isFull());
  }
}

/** The permission requests sent on one stream: one from before its cursor is sent once, as a copy without `seq`. */
class AskedPermissions {
  #asked: Set<string> | undefined;

  /** Records a sent event, which makes a copy of it unnecessary. */
  sent({ type, data }: EventRecord): void {
    if (type === 'permissionRequest') this.#add((JSON.parse(data) as EventData<'permissionRequest'>).permissionId);
  }

  sendOpen(open: readonly EventData<'permissionRequest'>[], sink: StreamSink): void {
    for (const data of open) {
      if (this.#asked?.has(data.permissionId)) continue;
      this.#add(data.permissionId);
      sink.send(new Frame(() => permissionCopyFrame(data)));
    }
  }

  #add(permissionId: string): void {
    this.#asked ??= new Set();
    this.#asked.add(permissionId);
  }
}

/** What `*` does not include. */
const NAMED_ONLY: ReadonlySet<string> = new Set<PositionedType>(['promptSuggestion']);

/** The frame types that a device wants: all, or named ones. */
export interface EventFilter {
  wants(type: string): boolean;
  /** Whether the type was requested by name. */
  names(type: string): boolean;
}

const ALL: EventFilter = { wants: () => true, names: () => false };
const NONE: EventFilter = { wants: () => false, names: () => false };

export function createEventFilter(events: readonly string[]): EventFilter {
  if (events.length === 0) return NONE;
  if (events.length === 1 && events[0] === '*') return ALL;
  const named = new Set(events);
  const all = named.has('*');
  return { wants: (type) => all || named.has(type), names: (type) => named.has(type) };
}
