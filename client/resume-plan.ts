import type { ClientInput, StreamPlace } from '../protocol/client-frames.js';

type SubscribeInput = ClientInput<'subscribe'>;

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
export function planResume({ events, all, wanted, resumed, astray, placeOf }: ResumeFacts): SubscribeInput[] {
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
