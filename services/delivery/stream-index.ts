import type { SessionId } from '../../protocol/scalars.js';
import type { SessionStream } from './session-stream.js';

/** Which streams follow a session, so that an event costs nothing where nobody wants it. */
export class StreamIndex {
  readonly #bySession = new Map<SessionId, Set<SessionStream>>();

  of(sessionId: SessionId): Iterable<SessionStream> {
    return this.#bySession.get(sessionId) ?? [];
  }

  add(sessionId: SessionId, stream: SessionStream): void {
    const streams = this.#bySession.get(sessionId);
    if (streams) streams.add(stream);
    else this.#bySession.set(sessionId, new Set([stream]));
  }

  remove(sessionId: SessionId, stream: SessionStream): void {
    const streams = this.#bySession.get(sessionId);
    streams?.delete(stream);
    if (streams?.size === 0) this.#bySession.delete(sessionId);
  }
}
