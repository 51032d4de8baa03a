import type { Cursor } from '../../protocol/client-frames.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { FeedStart } from '../../services/delivery/feed/session-feed.js';
import { type AskedStream, openStream } from './asked-stream.js';
import { ownBlock } from './event-blocks.js';
import type { BlockView } from './event-sink.js';
import { type GivenPosition, parsePosition, positionError } from './stream-position.js';

/**
 * Streams one session: what follows the reader's position, and what is published. A reader without a position begins at
 * the head. Throws `SESSION_NOT_FOUND`, `INVALID_REQUEST` and `RATE_LIMITED`.
 */
export function streamSession(asked: AskedStream, sessionId: SessionId): void {
  const { services, userId, events, given, epoch } = asked;
  services.registry.require(userId, sessionId);
  const head = services.delivery.headOf(userId, sessionId) ?? 0;
  const from: Cursor = given ? parsePosition(given, epoch) : { epoch, seq: head };
  const explained = explainReset(given);
  const stream = openStream(asked, (note, block) => explained(note, block), sessionId);
  const onEnd = (error?: unknown) => stream.sourceEnded(error);
  const feed = services.delivery.openFeed({ userId, sessionId, from, events, sink: stream.sink, onEnd });
  explained.with(feed.start);
  const place = { epoch, sessionId, from: feed.start.from, head: feed.start.head };
  // Without a position the reader gets one: that of the event after which it begins.
  stream.begin(feed, ownBlock('connected', place, given ? undefined : `${epoch}:${place.from}`));
  feed.begin();
}

/** Adds to the first `reset` what is wrong with the reader's position. */
function explainReset(given: GivenPosition | undefined): BlockView & { with: (start: FeedStart) => void } {
  let error: object | undefined;
  const view: BlockView = (note, block) => {
    if (note.type !== 'reset' || !error) return block;
    const text = Buffer.from(block)
      .toString()
      .replace('data: {', () => `data: {"error":${JSON.stringify(error)},`);
    error = undefined;
    return Buffer.from(text);
  };
  const explain = (start: FeedStart) => {
    error = given && start.reset && positionError(given, start.reset, start);
  };
  return Object.assign(view, { with: explain });
}
