import type { Cursor } from '../protocol/client-frames.js';
import type { ResumedSession } from '../protocol/server-frames.js';
import type { EventPlace } from './server-frame.js';

/**
 * What to do with something that has a place in a session.
 * - `take`: it is next.
 * - `pass`: it was handed over before, or the stream that it is from is about to be replaced.
 * - `resync`: something before it is missing: ask for the events after the cursor.
 * - `broken`: the same is still missing after it was asked for: go on, and say so.
 */
export type Verdict = 'take' | 'pass' | 'resync' | 'broken';

interface SessionPlace {
  /** The last event that was handed over, or passed over because the filter left it out. */
  handed: Cursor | undefined;
  /** The daemon has said that this connection streams the session, or something came of it. */
  attached: boolean;
  /** Subscriptions under way that move this session to another place; what comes before their answers is void. */
  moving: Set<string>;
  /** The place at which something was found to be missing on this connection. */
  missedAt: string | undefined;
}

/** How far each session has been handed over, and what that means for what comes next. Decides only; sends nothing. */
export class SessionCursors {
  readonly #places = new Map<string, SessionPlace>();
  #epoch = '';

  /** Where this client stood when it was last at work. */
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

  /** A new connection. Subscriptions that were under way have failed, or are sent again. */
  connected(epoch: string): void {
    this.#epoch = epoch;
    for (const place of this.#places.values()) {
      place.attached = false;
      place.missedAt = undefined;
    }
  }

  /** A subscription that names a cursor for the session has gone out. */
  moveRequested(sessionId: string, requestId: string): void {
    this.#place(sessionId).moving.add(requestId);
  }

  moveFailed(sessionId: string, requestId: string): void {
    this.#places.get(sessionId)?.moving.delete(requestId);
  }

  /** The session begins on this connection where a cursor of this client says. */
  moved({ sessionId, resume, from }: ResumedSession, requestId: string): void {
    const place = this.#place(sessionId);
    place.moving.delete(requestId);
    place.attached = true;
    // After a reset the place is that of the reset frame.
    if (resume === 'replay') place.handed = { epoch: this.#epoch, seq: from };
  }

  /**
   * The daemon says where a session begins on this connection. False when that is not where this client stands, and a
   * subscription with its cursor has to say so. `whole`: the filter leaves nothing out.
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

  /** `caughtUp`: everything up to its seq has been sent, or was left out by the filter. */
  judgeCaughtUp({ sessionId, seq }: { sessionId: string; seq: number }, whole: boolean): Verdict {
    const verdict = this.#judge({ sessionId, seq, epoch: this.#epoch }, { whole, next: 0 });
    return verdict === 'pass' && this.#place(sessionId).moving.size === 0 ? 'take' : verdict;
  }

  judgeReset(sessionId: string): Verdict {
    const place = this.#place(sessionId);
    place.attached = true;
    return place.moving.size > 0 ? 'pass' : 'take';
  }

  /** Never back, except into another epoch. */
  handOver({ sessionId, seq, epoch }: EventPlace): void {
    const place = this.#place(sessionId);
    if (place.handed?.epoch === epoch && place.handed.seq >= seq) return;
    place.handed = { epoch, seq };
  }

  /** The session begins anew here, wherever this client was. */
  reset({ sessionId, seq, epoch }: EventPlace): void {
    this.#place(sessionId).handed = { epoch, seq };
  }

  forget(sessionId: string): void {
    this.#places.delete(sessionId);
  }

  #judge({ sessionId, seq, epoch }: EventPlace, { whole, next }: { whole: boolean; next: 0 | 1 }): Verdict {
    const place = this.#place(sessionId);
    // A session that streams again without a word of where it begins: only the cursor can tell what is missing.
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
