import type { SessionId } from '../../protocol/scalars.js';
import type { Publication } from '../ports/publication.js';
import type { Frame } from './frame.js';

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
