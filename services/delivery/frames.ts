/** How frames are written. Each is built once, whoever gets it. */

import type { EventData } from '../../protocol/events.js';
import { MAX_EVENT_FRAME_BYTES } from '../../protocol/limits.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { AnswerData, AnswerType, PositionedFrame } from '../../protocol/server-frames.js';
import type { OpenBlock } from '../ports/claude.js';
import type { EventRecord } from '../ports/records.js';
import { boundData } from './bounded-data.js';

/** Room for what stands around an event's data. */
const ENVELOPE_BYTES = 1024;

interface EventFrameOptions {
  sessionId: SessionId;
  epoch: string;
  event: EventRecord;
  /** The device missed it and gets it now. */
  replayed: boolean;
}

/** An event as a frame of at most 256 KiB. */
export function eventFrame({ sessionId, epoch, event, replayed }: EventFrameOptions): string {
  const at = new Date(event.at).toISOString();
  const marks = replayed ? `,"_queued":true,"_queuedAt":"${at}","_originalTimestamp":"${at}"` : '';
  const place = `"sessionId":${JSON.stringify(sessionId)},"seq":${event.seq},"epoch":"${epoch}"`;
  const data = boundData(event.data, MAX_EVENT_FRAME_BYTES - ENVELOPE_BYTES);
  return `{"type":"${event.type}","requestId":null,"timestamp":"${at}",${place}${marks},"data":${data}}`;
}

export const positionedFrame = ({ type, data }: PositionedFrame): string =>
  `{"type":"${type}","requestId":null,"timestamp":"${new Date().toISOString()}","data":${JSON.stringify(data)}}`;

interface AnswerFrame<T extends string, Data> {
  type: T;
  requestId: string | null;
  data: Data;
}

/** A frame that is no event: an answer, or a word about the stream itself. */
export const answerFrame = <T extends AnswerType>(frame: AnswerFrame<T, AnswerData<T>>): string => copyFrame(frame);

/** An answer under an event's name: a copy of it without `seq`. */
export const copyFrame = ({ type, requestId, data }: AnswerFrame<string, object>): string =>
  JSON.stringify({ type, requestId, timestamp: new Date().toISOString(), data });

/** A message that is being written, from its beginning. */
export function soFarFrame(sessionId: SessionId, block: OpenBlock): string {
  const { streamType, messageId, blockIndex, text, parentToolUseId } = block;
  return positionedFrame({
    type: 'streamData',
    data: {
      sessionId,
      streamType,
      content: { type: 'text', text },
      messageId,
      blockIndex,
      offset: 0,
      isComplete: false,
      ...(parentToolUseId !== undefined && { parentToolUseId }),
    },
  });
}

/** What a `streamComplete` says, in the form of older clients. */
export function conversationResultFrame(sessionId: SessionId, event: EventRecord): string {
  const { finalResult, isError, duration, cost, usage } = JSON.parse(event.data) as EventData<'streamComplete'>;
  const data = {
    type: 'result' as const,
    success: !isError,
    result: finalResult,
    sessionId,
    duration,
    ...(cost !== undefined && { cost }),
    ...(usage && { usage }),
    timestamp: new Date(event.at).toISOString(),
  };
  return answerFrame({ type: 'conversationResult', requestId: null, data });
}
