import type { ClientInput, StreamPlace } from '../protocol/client-frames.js';

type SubscribeInput = ClientInput<'subscribe'>;

interface ResumeFacts {
  /** The filter to ask for. */
  events: readonly string[];
  /** All sessions of the person are wanted. */
  all: boolean;
  /** Sessions that were streamed before. */
  wanted: Iterable<string>;
  /** Sessions that the daemon streams again by itself. */
  resumed: ReadonlySet<string>;
  /** Of those, the ones that the daemon begins elsewhere than this client stands, or in whose text it is in the middle. */
  astray: readonly string[];
  placeOf: (sessionId: string) => StreamPlace | undefined;
}

/** The subscriptions to ask for after a welcome: none when the daemon goes on exactly where this client stands. */
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
  // One request for each: a session that is gone for good would spoil the request for the others.
  const lost = [...wanted].filter((sessionId) => !resumed.has(sessionId)).map((sessionId) => [sessionId]);
  return [...moves, ...lost].map((sessionIds) => ({
    events: filter,
    sessionIds: [...sessionIds],
    cursors: cursorsOf(sessionIds),
  }));
}
