import type { Cursor } from '../protocol/client-frames.js';
import type { ResumedSession } from '../protocol/server-frames.js';
import type { EventPlace } from './server-frame.js';

/**
 * How to treat a frame with a position in a session.
 * - `take`: it is next.
 * - `pass`: it was delivered before, or its stream is about to be replaced.
 * - `resync`: earlier events are missing: request the events after the cursor.
 * - `broken`: they are still missing after a request for them: continue, and report it.
 */
export type Verdict = 'take' | 'pass' | 'resync' | 'broken';

interface SessionPlace {
  /** The last event that was delivered, or excluded by the filter. */
  handed: Cursor | undefined;
  /** The daemon has confirmed that this connection streams the session, or has sent a frame of it. */
  attached: boolean;
  /** Pending subscriptions that move this session to another position; frames before their answers are ignored. */
  moving: Set<string>;
  /** The position of a gap found on this connection. */
  missedAt: string | undefined;
}

/** The delivered position of each session, and how to treat the next frame. Only decides; sends nothing. */
export class SessionCursors {
  readonly #places = new Map<string, SessionPlace>();
  #epoch = '';

  /** This client's last stored positions. */
  loaded(known: ReadonlyMap<string, Cursor>): void {
    for (const [sessionId, cursor] of known) this.#place(sessionId).handed = cursor;
  }

  /** The epoch of the journal behind this connection; empty before the first one. */
  get epoch(): string {
    return this.#epoch;
  }

  handed(sessionId: string): Cursor | undefined {
    return this.#places.get(sessionId)?.handed;
  }

  /** A new connection. Pending subscriptions have failed, or are sent again. */
  connected(epoch: string): void {
    this.#epoch = epoch;
    for (const place of this.#places.values()) {
      place.attached = false;
      place.missedAt = undefined;
    }
  }

  /** A subscription with a cursor for the session was sent. */
  moveRequested(sessionId: string, requestId: string): void {
    this.#place(sessionId).moving.add(requestId);
  }

  moveFailed(sessionId: string, requestId: string): void {
    this.#places.get(sessionId)?.moving.delete(requestId);
  }

  /** The session starts on this connection at a cursor of this client. */
  moved({ sessionId, resume, from }: ResumedSession, requestId: string): void {
    const place = this.#place(sessionId);
    place.moving.delete(requestId);
    place.attached = true;
    // After a reset the position is that of the reset frame.
    if (resume === 'replay') place.handed = { epoch: this.#epoch, seq: from };
  }

  /**
   * Handles the daemon's start position of a session on this connection. False when it differs from this client's
   * position, so that a subscription must send the cursor. `whole`: the filter excludes nothing.
   */
  agrees({ sessionId, resume, from, head }: ResumedSession, whole: boolean): boolean {
    const place = this.#place(sessionId);
    place.attached = true;
    if (place.moving.size > 0) return true;
    const { handed } = place;
    const epoch = this.#epoch;
    if (resume === 'reset') return !handed || handed.epoch !== epoch || handed.seq > head;
    if (!handed) {
      place.handed = { epoch, seq: from };
      return true;
    }
    if (handed.epoch !== epoch) return false;
    if (resume === 'replay') return handed.seq === from;
    if (from <= handed.seq) return true;
    if (whole) return false;
    place.handed = { epoch, seq: from };
    return true;
  }

  judgeEvent(event: EventPlace, whole: boolean): Verdict {
    return this.#judge(event, { whole, next: 1 });
  }

  /** `caughtUp`: everything up to its seq has been sent, or was excluded by the filter. */
  judgeCaughtUp({ sessionId, seq }: { sessionId: string; seq: number }, whole: boolean): Verdict {
    const verdict = this.#judge({ sessionId, seq, epoch: this.#epoch }, { whole, next: 0 });
    return verdict === 'pass' && this.#place(sessionId).moving.size === 0 ? 'take' : verdict;
  }

  judgeReset(sessionId: string): Verdict {
    const place = this.#place(sessionId);
    place.attached = true;
    return place.moving.size > 0 ? 'pass' : 'take';
  }

  /** Never moves back, except into another epoch. */
  handOver({ sessionId, seq, epoch }: EventPlace): void {
    const place = this.#place(sessionId);
    if (place.handed?.epoch === epoch && place.handed.seq >= seq) return;
    place.handed = { epoch, seq };
  }

  /** The session restarts here, whatever the client's position was. */
  reset({ sessionId, seq, epoch }: EventPlace): void {
    this.#place(sessionId).handed = { epoch, seq };
  }

  forget(sessionId: string): void {
    this.#places.delete(sessionId);
  }

  #judge({ sessionId, seq, epoch }: EventPlace, { whole, next }: { whole: boolean; next: 0 | 1 }): Verdict {
    const place = this.#place(sessionId);
    // A session can be streamed again without a reported start position: then only the cursor shows a gap.
    const isStrict = whole || !place.attached;
    place.attached = true;
    if (place.moving.size > 0) return 'pass';
    const { handed } = place;
    if (!handed) return 'take';
    if (handed.epoch !== epoch) return this.#missed(place, handed);
    if (seq <= handed.seq) return 'pass';
    return isStrict && seq > handed.seq + next ? this.#missed(place, handed) : 'take';
  }

  #missed(place: SessionPlace, { epoch, seq }: Cursor): Verdict {
    const at = `${epoch}/${seq}`;
    if (place.missedAt === at) return 'broken';
    place.missedAt = at;
    return 'resync';
  }

  #place(sessionId: string): SessionPlace {
    const known = this.#places.get(sessionId);
    if (known) return known;
    const place = { handed: undefined, attached: false, moving: new Set<string>(), missedAt: undefined };
    this.#places.set(sessionId, place);
    return place;
  }
}
