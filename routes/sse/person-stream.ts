import type { SessionId } from '../../protocol/scalars.js';
import { type AskedStream, openStream } from './asked-stream.js';
import { type FrameNote, ownBlock } from './event-blocks.js';
import { PersonPosition, parsePersonPosition } from './stream-position.js';

/**
 * Streams all sessions of the person, those that begin later included. An id names the reader's position in each. Throws
 * `INVALID_REQUEST` and `RATE_LIMITED`.
 */
export function streamAll(asked: AskedStream): void {
  const { services, userId, events, given, epoch } = asked;
  const position = new PersonPosition(epoch);
  const headOf = (sessionId: SessionId) => ({ epoch, seq: services.delivery.headOf(userId, sessionId) ?? 0 });
  const fromOf = given ? parsePersonPosition(given, epoch) : headOf;
  const stream = openStream(asked, (note, block) => placed(position, note, block));
  const feed = services.delivery.openPersonFeed({
    userId,
    events,
    fromOf,
    sink: stream.sink,
    onOpened: (sessionId) => position.move(sessionId, 0),
    onEnd: (error) => stream.sourceEnded(error),
  });
  for (const [sessionId, { from }] of feed.starts) position.move(sessionId, from);
  const sessions = [...feed.starts].map(([sessionId, { from, head }]) => ({ sessionId, from, head }));
  stream.begin(feed, ownBlock('connected', { epoch, sessions }, given ? undefined : position.id));
  feed.begin();
}

const LINE_END = 10;

/** The block of an event, under the reader's own id. */
function placed(position: PersonPosition, { type, sessionId, seq, head }: FrameNote, block: Uint8Array): Uint8Array {
  if (type === 'reset' && head !== undefined) position.move(sessionId, head);
  if (seq === undefined) return block;
  position.move(sessionId, seq);
  if (block.length === 0) return block;
  return Buffer.concat([Buffer.from(`id: ${position.id}`), block.subarray(block.indexOf(LINE_END))]);
}
