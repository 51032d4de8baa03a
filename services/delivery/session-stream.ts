import type { EventData } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { ResumeReason } from '../../protocol/server-frames.js';
import type { OpenBlock } from '../ports/claude.js';
import type { Journal } from '../ports/journal.js';
import type { Publication } from '../ports/publication.js';
import type { EventRecord } from '../ports/records.js';
import type { SessionSource } from '../ports/session-source.js';
import type { EventFilter } from './event-filter.js';
import type { FrameSink } from './frame-sink.js';
import { answerFrame, copyFrame, eventFrame, positionedFrame } from './frames.js';

/** An item of a publication with its frame, built when the first stream wants it and shared by the others. */
export interface SharedFrame {
  item: Publication;
  text: () => string;
}

export interface SessionStreamOptions {
  sessionId: SessionId;
  journal: Pick<Journal, 'readEvents' | 'epoch'>;
  source: SessionSource;
  sink: FrameSink;
  filter: () => EventFilter;
  /** seq of the last event that the device has. */
  from: number;
  /** seq of the last event when the client was told what it missed: up to it, events count as missed. */
  head: number;
  /** seq of the last event that was published up to now. */
  published: number;
  /** Not everything missed is there: a snapshot takes its place. */
  reset?: ResumeReason;
  onError: (error: unknown) => void;
}

/** More unsent bytes than this, and the connection gets nothing more until they are gone. */
const PAUSE_BYTES = 256 * 1024;
const PAGE_EVENTS = 100;

/**
 * One session on one connection. While it is live, events go out as they are published. Whatever else it has to catch
 * up with (missed before it came, or held back because the reader is slow) it reads from the journal, so nothing is
 * queued for it in memory.
 */
export class SessionStream {
  readonly #options: SessionStreamOptions;
  #mode: 'catchingUp' | 'live' | 'paused' | 'closed' = 'catchingUp';
  #sent: number;
  #published: number;
  #greeted = false;
  #announcedCaughtUp = false;
  #pumping = false;
  /** Permission requests that were among the missed events. */
  readonly #asked = new Set<string>();

  constructor(options: SessionStreamOptions) {
    this.#options = options;
    this.#sent = options.from;
    this.#published = options.published;
  }

  /** seq of the last event that went out or that the filter passed over. */
  get sent(): number {
    return this.#sent;
  }

  start(): void {
    void this.#pump();
  }

  close(): void {
    this.#mode = 'closed';
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

  #offerLive({ item, text }: SharedFrame): boolean {
    const { sink, filter } = this.#options;
    if (sink.unsent > PAUSE_BYTES) {
      this.#mode = 'paused';
      return false;
    }
    if (item.kind === 'frame') {
      if (filter().wants(item.frame.type)) sink.send(text());
      return true;
    }
    if (item.event.seq <= this.#sent) return true;
    if (item.event.seq > this.#sent + 1) return this.#readUp();
    this.#sent = item.event.seq;
    if (filter().wants(item.event.type)) sink.send(text());
    this.#sendResult(item.event);
    return true;
  }

  /** Something before it was not offered: the journal has it. */
  #readUp(): false {
    this.#mode = 'catchingUp';
    void this.#pump();
    return false;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      await this.#greet();
      while (this.#mode === 'catchingUp') await this.#sendPage();
    } catch (error) {
      this.#options.onError(error);
    } finally {
      this.#pumping = false;
    }
  }

  async #greet(): Promise<void> {
    const { reset, head, sessionId, source, sink, journal } = this.#options;
    if (this.#greeted) return;
    this.#greeted = true;
    if (!reset) return;
    const snapshot = await source.snapshot(sessionId);
    if (this.#mode === 'closed') return;
    const data = { sessionId, epoch: journal.epoch, head, reason: reset, snapshot };
    sink.send(answerFrame({ type: 'reset', requestId: null, data }));
    this.#sent = head;
  }

  async #sendPage(): Promise<void> {
    const { journal, sessionId, sink } = this.#options;
    const events = await journal.readEvents({ sessionId, after: this.#sent, limit: PAGE_EVENTS });
    if (this.#mode !== 'catchingUp') return;
    for (const event of events) {
      if (event.seq > this.#published) break;
      if (sink.unsent > PAUSE_BYTES) {
        this.#mode = 'paused';
        return;
      }
      this.#sendEvent(event);
    }
    if (events.length === 0 || this.#sent >= this.#published) this.#goLive();
  }

  #sendEvent(event: EventRecord): void {
    const { sessionId, journal, sink, filter, head } = this.#options;
    this.#sent = event.seq;
    const replayed = event.seq <= head;
    if (filter().wants(event.type)) sink.send(eventFrame({ sessionId, epoch: journal.epoch, event, replayed }));
    this.#sendResult(event);
    if (event.type === 'permissionRequest' && !this.#announcedCaughtUp) {
      this.#asked.add((JSON.parse(event.data) as EventData<'permissionRequest'>).permissionId);
    }
  }

  /** Runs without a pause up to the mode change, so that nothing can be published in between. */
  #goLive(): void {
    const { source, sessionId, sink, filter } = this.#options;
    if (!this.#announcedCaughtUp) this.#sendOpenPermissions();
    if (filter().wants('streamData')) {
      for (const block of source.openBlocks(sessionId)) sink.send(soFarFrame(sessionId, block));
    }
    if (!this.#announcedCaughtUp) {
      this.#announcedCaughtUp = true;
      sink.send(answerFrame({ type: 'caughtUp', requestId: null, data: { sessionId, seq: this.#sent } }));
    }
    this.#mode = 'live';
  }

  /** A request from before the cursor comes again, without `seq`: it still has to be answered. */
  #sendOpenPermissions(): void {
    const { source, sessionId, sink, filter } = this.#options;
    if (!filter().wants('permissionRequest')) return;
    for (const data of source.openPermissions(sessionId)) {
      if (this.#asked.has(data.permissionId)) continue;
      sink.send(copyFrame({ type: 'permissionRequest', requestId: null, data }));
    }
  }

  /** `conversationResult` goes to those who asked for it by name. */
  #sendResult(event: EventRecord): void {
    const { filter, sink, sessionId } = this.#options;
    if (event.type !== 'streamComplete' || !filter().names('conversationResult')) return;
    const { finalResult, isError, duration, cost, usage } = JSON.parse(event.data) as EventData<'streamComplete'>;
    const data = {
      type: 'result' as const,
      success: !isError,
      result: finalResult,
      sessionId,
      duration,
      ...(cost !== undefined && { cost }),
      ...(usage && { usage }),
      timestamp: new Date(event.at).toISOString(),
    };
    sink.send(answerFrame({ type: 'conversationResult', requestId: null, data }));
  }
}

/** A message that is being written, from its beginning. */
function soFarFrame(sessionId: SessionId, block: OpenBlock): string {
  const { streamType, messageId, blockIndex, text, parentToolUseId } = block;
  return positionedFrame({
    type: 'streamData',
    data: {
      sessionId,
      streamType,
      content: { type: 'text', text },
      messageId,
      blockIndex,
      offset: 0,
      isComplete: false,
      ...(parentToolUseId !== undefined && { parentToolUseId }),
    },
  });
}
