import type { SessionId } from '../../protocol/scalars.js';
import type { Publication } from '../ports/publication.js';
import type { Frame } from './frame.js';

/** An item of a publication with its frame, which all streams share. */
export interface SharedFrame {
  item: Publication;
  frame: Frame;
}

/** Follows one session. */
export interface PublicationListener {
  /** Something was published. Never blocks. */
  offer(items: readonly SharedFrame[]): void;
}

/** Which streams follow a session, so that an event costs nothing where nobody wants it. */
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
