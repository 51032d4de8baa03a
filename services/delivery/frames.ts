/** Serialization of frames. Each is built once for all receivers. */

import { boundData, fitsWithin } from '../../protocol/bounded-data.js';
import type { EventData } from '../../protocol/events.js';
import { MAX_EVENT_DATA_BYTES } from '../../protocol/limits.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { AnswerData, AnswerType, PositionedFrame } from '../../protocol/server-frames.js';
import type { EventRecord } from '../ports/records.js';
import { Frame } from './frame.js';

interface EventFrameOptions {
  sessionId: SessionId;
  epoch: string;
  event: EventRecord;
  /** The device missed the event and gets it now. */
  replayed: boolean;
}

/** An event as a frame of at most 256 KiB. */
export function eventFrame({ sessionId, epoch, event, replayed }: EventFrameOptions): string {
  const at = new Date(event.at).toISOString();
  const marks = replayed ? `,"_queued":true,"_queuedAt":"${at}","_originalTimestamp":"${at}"` : '';
  const place = `"sessionId":${JSON.stringify(sessionId)},"seq":${event.seq},"epoch":"${epoch}"`;
  const data = boundData(event.data, MAX_EVENT_DATA_BYTES);
  return `{"type":"${event.type}","requestId":null,"timestamp":"${at}",${place}${marks},"data":${data}}`;
}

/** Whether the frame of an event with this JSON shows it in full. */
export const fitsEventFrame = (json: string): boolean => fitsWithin(json, MAX_EVENT_DATA_BYTES);

/** The timestamp is the same in every encoding. */
export function positionedFrame(positioned: PositionedFrame): Frame {
  const timestamp = new Date().toISOString();
  return new Frame(() => positionedText(positioned, timestamp));
}

/** Text keeps its positions and comes in small pieces; anything else is cut like an event. */
function positionedText({ type, data }: PositionedFrame, timestamp: string): string {
  const json = JSON.stringify(data);
  const bounded = type === 'streamData' ? json : boundData(json, MAX_EVENT_DATA_BYTES);
  return `{"type":"${type}","requestId":null,"timestamp":"${timestamp}","data":${bounded}}`;
}

interface AnswerFrame<T extends string, Data> {
  type: T;
  requestId: string | null;
  data: Data;
}

/** A frame that is not an event: an answer, or a notice about the stream itself. */
export const answerFrame = <T extends AnswerType>(frame: AnswerFrame<T, AnswerData<T>>): string => copyFrame(frame);

/** An answer under an event's name: a copy of it without `seq`. */
export const copyFrame = ({ type, requestId, data }: AnswerFrame<string, object>): string =>
  JSON.stringify({ type, requestId, timestamp: new Date().toISOString(), data });

/** A repeated permission request, without `seq`; no larger than the event was. */
export function permissionCopyFrame(data: PermissionData): string {
  return copyFrame({ type: 'permissionRequest', requestId: null, data: boundPermission(data, MAX_EVENT_DATA_BYTES) });
}

/** Bytes shown of each open permission request in a snapshot, which can contain several. */
const MAX_SNAPSHOT_PERMISSION_BYTES = 32 * 1024;

export function resetFrame(data: AnswerData<'reset'>): string {
  const permissions = data.snapshot.permissions.map((one) => boundPermission(one, MAX_SNAPSHOT_PERMISSION_BYTES));
  return answerFrame({
    type: 'reset',
    requestId: null,
    data: { ...data, snapshot: { ...data.snapshot, permissions } },
  });
}

type PermissionData = EventData<'permissionRequest'>;

/** A permission request of at most `max` bytes as JSON; `truncated` when it was cut. */
export const boundPermission = <T extends PermissionData>(data: T, max: number): T =>
  JSON.parse(boundData(JSON.stringify(data), max)) as T;

/** The content of a `streamComplete`, in the form of older clients. */
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
