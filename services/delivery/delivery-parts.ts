import type { SessionId } from '../../protocol/scalars.js';
import type { ResumeReason } from '../../protocol/server-frames.js';
import type { CursorStore } from '../ports/cursors.js';
import type { Journal } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { Publication } from '../ports/publication.js';
import type { SessionSource } from '../ports/session-source.js';
import type { Frame, FrameCache } from './frames.js';

/** The parts shared by all connections. */
export interface DeliveryParts {
  readonly journal: Journal;
  readonly cursors: CursorStore;
  readonly source: SessionSource;
  readonly frames: FrameCache;
  readonly index: StreamIndex;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** A device has subscribed for the first time, or a device without a name has left. */
  readonly onDevicesChanged: () => void;
  /** A device received a snapshot because events were missing. */
  readonly onReset: (reason: ResumeReason) => void;
  /** A reader begins that lacks so many events, of which the oldest has this age in milliseconds. */
  readonly onReplay?: ((events: number, ageMs: number) => void) | undefined;
  /** An event was sent to a reader, or left out by its filter. */
  readonly onEvent?: ((outcome: 'sent' | 'filtered') => void) | undefined;
}

/** A published item with its frame, shared by all streams. */
export interface SharedFrame {
  item: Publication;
  frame: Frame;
}

/** A follower of one session. */
export interface PublicationListener {
  /** Something was published. Never blocks. */
  offer(items: readonly SharedFrame[]): void;
}

/** The streams that follow each session, so that an event without followers costs nothing. */
export class StreamIndex {
  readonly #bySession = new Map<SessionId, Set<PublicationListener>>();

  of(sessionId: SessionId): Iterable<PublicationListener> {
    return this.#bySession.get(sessionId) ?? [];
  }

  has(sessionId: SessionId): boolean {
    return this.#bySession.has(sessionId);
  }

  add(sessionId: SessionId, stream: PublicationListener): void {
    const streams = this.#bySession.get(sessionId);
    if (streams) streams.add(stream);
    else this.#bySession.set(sessionId, new Set([stream]));
  }

  remove(sessionId: SessionId, stream: PublicationListener): void {
    const streams = this.#bySession.get(sessionId);
    streams?.delete(stream);
    if (streams?.size === 0) this.#bySession.delete(sessionId);
  }
}
