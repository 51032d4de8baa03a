import type { ClientInput, StreamPlace } from '../protocol/client-frames.js';
import { CompanionError } from '../protocol/error-codes.js';
import type { AnswerData, ResumedSession } from '../protocol/server-frames.js';
import type { Acknowledger } from './acknowledger.js';
import type { OpenBlocks } from './open-blocks.js';
import type { RequestHooks } from './requests.js';
import type { SessionCursors } from './session-cursors.js';
import type { Subscription } from './subscription.js';

type SubscribeInput = ClientInput<'subscribe'>;

export interface SessionFollowerOptions {
  cursors: SessionCursors;
  openBlocks: OpenBlocks;
  subscription: Subscription;
  acknowledger: Acknowledger;
  /** Requests a subscription on this connection only: the next one makes its own. */
  subscribe: (data: SubscribeInput) => Promise<unknown>;
  onError: (error: CompanionError) => void;
}

/** Makes the daemon stream each session from this client's position. */
export class SessionFollower {
  readonly #options: SessionFollowerOptions;

  constructor(options: SessionFollowerOptions) {
    this.#options = options;
  }

  /** A new connection: sessions that the daemon resumes are compared, and corrected where they differ. */
  resume({ epoch, resumed }: AnswerData<'welcome'>): void {
    const { cursors, openBlocks, subscription, acknowledger } = this.#options;
    cursors.connected(epoch);
    acknowledger.connected(epoch);
    const differing = this.#compare(resumed);
    const inText = resumed.filter(({ sessionId, resume }) => resume === 'replay' && openBlocks.has(sessionId));
    const astray = [...new Set([...differing, ...inText.map(({ sessionId }) => sessionId)])];
    const plan = planResume({
      events: subscription.events ?? ['*'],
      all: subscription.all,
      wanted: subscription.sessionIds,
      resumed: new Set(resumed.map(({ sessionId }) => sessionId)),
      astray,
      placeOf: (sessionId) => this.#placeOf(sessionId),
    });
    for (const session of resumed) this.#acknowledgeAgain(session);
    for (const data of plan) this.#subscribe(data);
  }

  /** Events of the session are missing: it is streamed again from the cursor. */
  resync(sessionId: string): void {
    const place = this.#placeOf(sessionId);
    const events = [...(this.#options.subscription.events ?? ['*'])];
    if (place) this.#subscribe({ events, sessionIds: [sessionId], cursors: { [sessionId]: place } });
  }

  /** Applies a subscription to the sessions that it names, also one that this client has not requested. */
  hooksOf(data: SubscribeInput): RequestHooks<'subscribe'> {
    const { cursors, subscription } = this.#options;
    const moved = Object.keys(data.cursors ?? {});
    return {
      onSent: (requestId) => {
        subscription.requested(requestId, data);
        for (const sessionId of moved) cursors.moveRequested(sessionId, requestId);
      },
      onAnswer: ({ sessions }, requestId) => {
        for (const session of sessions) if (moved.includes(session.sessionId)) cursors.moved(session, requestId);
        for (const sessionId of moved) cursors.moveFailed(sessionId, requestId);
        // Up to this answer the previous filter was in force.
        const astray = this.#compare(sessions.filter(({ sessionId }) => !moved.includes(sessionId)));
        subscription.answered(requestId, data);
        for (const sessionId of astray) this.resync(sessionId);
      },
      onFailure: (requestId) => {
        subscription.failed(requestId);
        for (const sessionId of moved) cursors.moveFailed(sessionId, requestId);
      },
    };
  }

  forget(sessionId: string): void {
    const { cursors, openBlocks, subscription, acknowledger } = this.#options;
    cursors.forget(sessionId);
    openBlocks.forget(sessionId);
    subscription.forget(sessionId);
    acknowledger.forget(sessionId);
  }

  #placeOf(sessionId: string): StreamPlace | undefined {
    const cursor = this.#options.cursors.handed(sessionId);
    return cursor && { ...cursor, ...this.#options.openBlocks.of(sessionId) };
  }

  /** Returns the sessions that the daemon starts at another position than this client's. */
  #compare(sessions: readonly ResumedSession[]): string[] {
    const { cursors, subscription } = this.#options;
    const { whole } = subscription;
    for (const { sessionId } of sessions) subscription.joined(sessionId);
    return sessions.filter((session) => !cursors.agrees(session, whole)).map(({ sessionId }) => sessionId);
  }

  /** The last connection may have broken before its acks arrived. */
  #acknowledgeAgain({ sessionId, from, head }: ResumedSession): void {
    const { acknowledger } = this.#options;
    const saved = acknowledger.saved(sessionId);
    if (saved && saved.seq > from && saved.seq <= head) acknowledger.acknowledge(sessionId, saved);
  }

  #subscribe(data: SubscribeInput): void {
    this.#options.subscribe(data).catch((error: unknown) => {
      const [sessionId] = data.sessionIds?.length === 1 ? data.sessionIds : [];
      const isGone = error instanceof CompanionError && error.code === 'SESSION_NOT_FOUND';
      if (isGone && sessionId !== undefined) this.forget(sessionId);
      // A lost connection leads to the next welcome, and a malformed answer was already reported.
      else if (error instanceof CompanionError) this.#options.onError(error);
    });
  }
}

interface ResumeFacts {
  /** The requested filter. */
  events: readonly string[];
  /** All sessions of the person are requested. */
  all: boolean;
  /** Sessions that were streamed before. */
  wanted: Iterable<string>;
  /** Sessions that the daemon streams again by itself. */
  resumed: ReadonlySet<string>;
  /** Those of them that the daemon starts at another position than this client's, or in the middle of their text. */
  astray: readonly string[];
  placeOf: (sessionId: string) => StreamPlace | undefined;
}

/** The subscriptions to request after a welcome: none when the daemon continues exactly at this client's positions. */
function planResume({ events, all, wanted, resumed, astray, placeOf }: ResumeFacts): SubscribeInput[] {
  const filter = [...events];
  const cursorsOf = (sessionIds: readonly string[]) =>
    Object.fromEntries(
      sessionIds.flatMap((sessionId): [string, StreamPlace][] => {
        const place = placeOf(sessionId);
        return place ? [[sessionId, place]] : [];
      }),
    );
  if (all) return [{ events: filter, ...(astray.length > 0 && { cursors: cursorsOf(astray) }) }];
  const moves = astray.length > 0 ? [astray] : [];
  // One request for each: a session that is gone would make a common request fail.
  const lost = [...wanted].filter((sessionId) => !resumed.has(sessionId)).map((sessionId) => [sessionId]);
  return [...moves, ...lost].map((sessionIds) => ({
    events: filter,
    sessionIds: [...sessionIds],
    cursors: cursorsOf(sessionIds),
  }));
}
