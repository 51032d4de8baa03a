import type { PromptId, SessionId } from '../../protocol/scalars.js';
import type { ResumeReason } from '../../protocol/server-frames.js';
import { type PromptPlace, placeOfPrompt, type UntoldEnd, untoldEnd } from '../../services/commands/prompt-place.js';
import { resetReason } from '../../services/delivery/feed/resume-verdict.js';
import { callerOf } from '../http/request-context.js';
import { type AskedStream, openStream } from './asked-stream.js';
import { ownBlock } from './event-blocks.js';
import type { EventStream } from './event-stream.js';
import { PromptView } from './prompt-view.js';
import { parsePosition, positionError } from './stream-position.js';

interface Ids {
  sessionId: SessionId;
  promptId: PromptId;
}

/** Where the stream of a prompt begins. */
interface Beginning {
  /** The reader's position, where it can be continued. */
  continued: number | undefined;
  /** seq of the event before the first that is read. */
  from: number;
  head: number;
  /** The first event that is read is of the prompt's turn. */
  hasBegun: boolean;
  /** The reader's position is none, or the beginning of the prompt is no longer kept. */
  reset: ResumeReason | undefined;
}

/**
 * Streams the events of one prompt, from its message to the end of its turn, and ends with it. A reader that has the end
 * is answered 204, which keeps an `EventSource` from coming back. Throws `SESSION_NOT_FOUND`, `NOT_FOUND`,
 * `INVALID_REQUEST` and `RATE_LIMITED`.
 */
export function streamPrompt(asked: AskedStream, ids: Ids): void {
  const { services, response, given, epoch } = asked;
  const place = placeOfPrompt(services, { caller: callerOf(response), ...ids });
  const beginning = findBeginning(asked, place);
  const { continued, from, head, reset, hasBegun } = beginning;
  const untold = untoldEnd(services, ids.promptId, from);
  if (untold && continued !== undefined) {
    response.status(204).end();
    return;
  }
  const onEnd = (end?: UntoldEnd) => endStream(stream, { end, ids, id: `${epoch}:${head}` });
  const view = new PromptView({ services, promptId: ids.promptId, hasBegun, onEnd });
  const stream = openStream(asked, (note, block) => view.show(note, block), ids.sessionId);
  const error = given && reset && positionError(given, reset, { epoch, head });
  const told = { sessionId: ids.sessionId, epoch, head };
  const first = [
    ownBlock('connected', { epoch, ...ids, from, head }),
    ...(reset ? [ownBlock('reset', { ...told, reason: reset, ...(error && { error }) })] : []),
  ].join('');
  follow(asked, { stream, ids, from, first, untold });
}

function findBeginning({ services, userId, given, epoch }: AskedStream, place: PromptPlace): Beginning {
  const { session, prompt, begins } = place;
  const head = services.delivery.headOf(userId, session.id) ?? 0;
  const cursor = given && parsePosition(given, epoch);
  const bad = cursor && resetReason({ cursor, epoch, first: 0, head });
  const isGiven = prompt.announced || prompt.endedAt !== undefined;
  if (cursor && !bad && isGiven && cursor.seq >= (begins ?? 0)) {
    return { continued: cursor.seq, from: cursor.seq, head, hasBegun: true, reset: undefined };
  }
  const isTrimmed = begins === undefined && prompt.announced;
  const first = begins ?? firstOf(services, { place, head });
  const reset = bad ?? (isTrimmed ? 'retention' : undefined);
  return { continued: undefined, from: Math.min(first - 1, head), head, hasBegun: isTrimmed, reset };
}

/** seq of the first event that is read for a prompt whose beginning is not kept, or not there yet. */
function firstOf({ journal }: AskedStream['services'], { place, head }: { place: PromptPlace; head: number }): number {
  const { session, prompt } = place;
  return prompt.announced ? journal.firstSeq(session.id) : (prompt.outcome?.endSeq ?? head + 1);
}

interface Followed {
  stream: EventStream;
  ids: Ids;
  from: number;
  first: string;
  untold: UntoldEnd | undefined;
}

function follow(
  { services, userId, events, epoch }: AskedStream,
  { stream, ids, from, first, untold }: Followed,
): void {
  if (untold) {
    stream.begin({ drained: () => {}, close: () => {} }, first);
    endStream(stream, { end: untold, ids, id: `${epoch}:${from}` });
    return;
  }
  const feed = services.delivery.openFeed({
    userId,
    sessionId: ids.sessionId,
    from: { epoch, seq: from },
    events,
    sink: stream.sink,
    onEnd: (error) => stream.sourceEnded(error),
  });
  stream.begin(feed, first);
  feed.begin();
}

/** `id`: with which a reader that comes back is known to have the end. */
function endStream(stream: EventStream, { end, ids, id }: { end: UntoldEnd | undefined; ids: Ids; id: string }): void {
  if (end) {
    const { finalResult: result, duration, ...others } = end;
    stream.sink.write(ownBlock('complete', { ...ids, ...others, result, summary: { duration } }, id));
  }
  stream.end();
}
