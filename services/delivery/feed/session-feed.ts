import type { StreamPlace } from '../../../protocol/client-frames.js';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { SessionId } from '../../../protocol/scalars.js';
import type { ResumeReason } from '../../../protocol/server-frames.js';
import type { UserId } from '../../ports/records.js';
import type { DeliveryParts } from '../delivery-parts.js';
import type { StreamSink } from '../frames.js';
import { planResume } from './resume-verdict.js';
import { createEventFilter, type EventFilter, SessionStream, type StreamOwner } from './session-stream.js';

export interface FeedOptions {
  userId: UserId;
  sessionId: SessionId;
  /** The reader's position; without it the feed begins with the first stored event. */
  from?: StreamPlace | undefined;
  /** Types of frames, or `*`. */
  events?: readonly string[];
  /** Minimum time between two text frames, in milliseconds. */
  deltaIntervalMs?: number;
  /** Frames come in order, and pause while more than 256 KiB are unsent. */
  sink: StreamSink;
  /** The feed has ended: the session was forgotten, or its record is unreadable. */
  onEnd: (error?: unknown) => void;
}

/** Where a feed begins. */
export interface FeedStart {
  epoch: string;
  /** seq of the last event, and of the first stored one. */
  head: number;
  first: number;
  /** seq of the last event before the first sent one; with `reset`, the position after the snapshot sent instead. */
  from: number;
  reset?: ResumeReason;
}

/**
 * One session for a reader without a device or a stored cursor. It gets what a socket gets, in the same order and with
 * the same flow control (D1, D3, D4, D5); the reader keeps its own position.
 */
export class SessionFeed implements StreamOwner {
  readonly start: FeedStart;
  readonly sink: StreamSink;
  readonly filter: EventFilter;
  readonly deltaIntervalMs: number;
  readonly #parts: DeliveryParts;
  readonly #options: FeedOptions;
  #stream: SessionStream | undefined;
  #isOver = false;

  private constructor(parts: DeliveryParts, options: FeedOptions, start: FeedStart) {
    this.start = start;
    this.sink = options.sink;
    this.filter = createEventFilter(options.events ?? ['*']);
    this.deltaIntervalMs = options.deltaIntervalMs ?? 0;
    this.#parts = parts;
    this.#options = options;
  }

  get sessionId(): SessionId {
    return this.#options.sessionId;
  }

  /** Nothing is sent before `begin`. Throws `SESSION_NOT_FOUND`. */
  static open(parts: DeliveryParts, options: FeedOptions): SessionFeed {
    const { userId, sessionId, from } = options;
    const { epoch } = parts.journal;
    const cursor = from ?? { epoch, seq: parts.journal.firstSeq(sessionId) - 1 };
    const plan = planResume(parts, { userId, sessionId, cursor });
    if (!plan) throw notThere();
    const { head, first, reason } = plan;
    return new SessionFeed(parts, options, { epoch, head, first, from: plan.from, ...(reason && { reset: reason }) });
  }

  /** Sends what the reader lacks, then what is published. Throws `SESSION_NOT_FOUND`. */
  begin(): void {
    const { userId, sessionId, from } = this.#options;
    const published = this.#parts.source.head(userId, sessionId);
    if (published === undefined) throw notThere();
    const { from: sent, head, reset } = this.start;
    const open = [...(from?.open ? [from.open] : []), ...(from?.alsoOpen ?? [])];
    const place = { sessionId, from: sent, head, published, open, awaitsPosition: false, ...(reset && { reset }) };
    this.#stream = new SessionStream({ parts: this.#parts, owner: this, ...place });
    this.#parts.index.add(sessionId, this.#stream);
    this.#stream.start();
  }

  /** The sink has sent everything it was given. */
  drained(): void {
    this.#stream?.drained();
  }

  /** Resolves when everything published has been sent, or the feed has ended. */
  async untilSent(): Promise<void> {
    await this.#stream?.untilSent();
  }

  close(error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#stream) {
      this.#stream.close();
      this.#parts.index.remove(this.#options.sessionId, this.#stream);
    }
    this.#options.onEnd(error);
  }

  onError(error: unknown): void {
    this.close(error);
  }

  onResetSent(): void {}

  onPositionAwaited(): void {}
}

const notThere = () => new CompanionError('SESSION_NOT_FOUND', 'There is no such session.', { field: 'sessionId' });
