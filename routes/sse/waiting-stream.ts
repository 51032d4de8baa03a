import type { EventType } from '../../protocol/events.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { Session } from '../../services/sessions/session.js';
import { waitingView } from '../../services/sessions/session-view.js';
import { isWaiting, shownWaiting } from '../waiting-view.js';
import { type AskedStream, openStream } from './asked-stream.js';
import { ownBlock } from './event-blocks.js';
import type { BlockView } from './event-sink.js';
import type { EventStream } from './event-stream.js';

/** What can change what waits. */
const EVENTS = [
  'humanMessage',
  'permissionRequest',
  'permissionResolved',
  'sessionStatus',
  'streamComplete',
] as const satisfies readonly EventType[];

/**
 * Streams what waits in all sessions of the person, or in one: first everything, then each session in which it changes.
 * The events of a session only say that it can have changed: what is sent is what holds at that moment. Throws
 * `SESSION_NOT_FOUND` and `RATE_LIMITED`.
 */
export function streamWaiting(asked: AskedStream, sessionId: SessionId | undefined): void {
  const { services, userId, epoch } = asked;
  const { registry } = services;
  const told = new Map<SessionId, string>();
  const shown = (session: Session) => {
    told.set(session.id, keyOf(session));
    return shownWaiting(services, session, sessionId === undefined ? 'listed' : 'one');
  };
  const view: BlockView = ({ sessionId: changed }) => {
    const session = registry.followed(changed);
    if (!session || told.get(session.id) === keyOf(session)) return undefined;
    return Buffer.from(ownBlock('waiting', { sessions: [shown(session)] }));
  };
  const all = sessionId === undefined ? registry.owned(userId) : [registry.require(userId, sessionId)];
  const stream = openStream(asked, view, sessionId);
  const feed = openFeed({ ...asked, sessionId, stream });
  // Without a pause up to the begin of the feed, so that no change is between the first state and what follows.
  const sessions = all.map(shown).filter((one) => sessionId !== undefined || isWaiting(one));
  stream.begin(feed, ownBlock('connected', { epoch }) + ownBlock('waiting', { sessions, isFirst: true }));
  feed.begin();
}

interface Feeding extends Pick<AskedStream, 'services' | 'userId' | 'epoch'> {
  sessionId: SessionId | undefined;
  stream: EventStream;
}

function openFeed({ services, userId, epoch, sessionId, stream }: Feeding) {
  const { delivery } = services;
  const fromOf = (id: SessionId) => ({ epoch, seq: delivery.headOf(userId, id) ?? 0 });
  const onEnd = (error?: unknown) => stream.sourceEnded(error);
  const options = { userId, events: EVENTS, sink: stream.sink, onEnd };
  if (sessionId === undefined) return delivery.openPersonFeed({ ...options, fromOf, onOpened: () => {} });
  return delivery.openFeed({ ...options, sessionId, from: fromOf(sessionId) });
}

/** Without who is connected, of which no event tells. */
const keyOf = (session: Session): string => JSON.stringify(waitingView(session, () => false));
