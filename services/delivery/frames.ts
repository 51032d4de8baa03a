/** Serialization of frames. Each is built once for all receivers. */
import { boundData, fitsWithin } from '../../protocol/bounded-data.js';
import type { EventData } from '../../protocol/events.js';
import { MAX_EVENT_DATA_BYTES } from '../../protocol/limits.js';
import type { SessionId } from '../../protocol/scalars.js';
import type { AnswerData, AnswerType, PositionedFrame } from '../../protocol/server-frames.js';
import type { EventRecord } from '../ports/records.js';

/** Encodes the text of a frame for one transport. The same encoding always uses the same function. */
export type Encoder = (text: string) => Uint8Array;

/**
 * A frame to be sent. Its text is built once, and encoded once per encoding for all its receivers. `build` must return
 * the same text each time.
 */
export class Frame {
  readonly #build: () => string;
  /** There is nearly always one encoding: a map per frame would cost more than the frame. */
  #encoder: Encoder | undefined;
  #encoded: Uint8Array | undefined;
  #others: Map<Encoder, Uint8Array> | undefined;

  constructor(build: () => string) {
    this.#build = build;
  }

  /** The bytes that the transport writes. */
  encoded(encode: Encoder): Uint8Array {
    if (this.#encoded && this.#encoder === encode) return this.#encoded;
    if (this.#encoded) return this.#inAnotherForm(encode);
    this.#encoder = encode;
    this.#encoded = encode(this.#build());
    return this.#encoded;
  }

  #inAnotherForm(encode: Encoder): Uint8Array {
    this.#others ??= new Map();
    const known = this.#others.get(encode);
    if (known) return known;
    const bytes = encode(this.#build());
    this.#others.set(encode, bytes);
    return bytes;
  }
}

interface EventFrameOptions {
  sessionId: SessionId;
  epoch: string;
  event: EventRecord;
  /** The device missed the event and gets it now. */
  replayed: boolean;
}

/** An event as a frame of at most 256 KiB. */
function eventFrame({ sessionId, epoch, event, replayed }: EventFrameOptions): string {
  const at = new Date(event.at).toISOString();
  const marks = replayed ? `,"_queued":true,"_queuedAt":"${at}","_originalTimestamp":"${at}"` : '';
  const place = `"sessionId":${JSON.stringify(sessionId)},"seq":${event.seq},"epoch":"${epoch}"`;
  const data = boundData(event.data, MAX_EVENT_DATA_BYTES);
  return `{"type":"${event.type}","requestId":null,"timestamp":"${at}",${place}${marks},"data":${data}}`;
}

/** Whether the frame of an event with this JSON shows it in full. */
export const fitsEventFrame = (json: string): boolean => fitsWithin(json, MAX_EVENT_DATA_BYTES);

/** Pieces of text follow each other within milliseconds: equal timestamps cost a compressed frame nothing. */
const TEXT_STEP_MS = 50;

/** The timestamp is the same in every encoding. */
export function positionedFrame(positioned: PositionedFrame): Frame {
  const now = Date.now();
  const timestamp = new Date(positioned.type === 'streamData' ? now - (now % TEXT_STEP_MS) : now).toISOString();
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
function conversationResultFrame(sessionId: SessionId, event: EventRecord): string {
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

/** Bytes of event data whose frames are cached; the oldest are evicted first. */
const MAX_BYTES = 2 * 1024 * 1024;

type Form = 'live' | 'replayed' | 'result';

interface Entry {
  frame: Frame;
  bytes: number;
}

/**
 * Frames of the latest requested events, so that an event is serialized once for all connections: for live ones, and
 * for the many that reconnect at once after a restart and have missed the same events.
 */
export class FrameCache {
  readonly #epoch: string;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(epoch: string) {
    this.#epoch = epoch;
  }

  /** `replayed`: marked as missed by the device; `result`: the `conversationResult` of a `streamComplete`. */
  get(sessionId: SessionId, event: EventRecord, form: Form): Frame {
    const key = `${sessionId}/${event.seq}/${form}`;
    const known = this.#entries.get(key);
    if (known) return known.frame;
    const frame = new Frame(this.#builder(sessionId, event, form));
    this.#keep(key, { frame, bytes: event.data.length });
    return frame;
  }

  #builder(sessionId: SessionId, event: EventRecord, form: Form): () => string {
    if (form === 'result') return () => conversationResultFrame(sessionId, event);
    return () => eventFrame({ sessionId, epoch: this.#epoch, event, replayed: form === 'replayed' });
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    for (const [oldest, { bytes }] of this.#entries) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#entries.delete(oldest);
      this.#bytes -= bytes;
    }
  }
}

/** The destination of a reader's frames. */
export interface StreamSink {
  /** Sends a frame on this connection. Frames leave in order, batched per tick. */
  send(frame: Frame): void;
  /** Bytes given to `send` that have not left this process. */
  readonly unsent: number;
  /** Bytes of an earlier tick are still buffered: the reader or the network is slower than the stream. */
  readonly lagging: boolean;
}

/** The socket of a device. */
export interface FrameSink extends StreamSink {
  /** Asks the peer to confirm, with this id, that it has received everything sent before. 0: only that it is alive. */
  confirm(id: number): void;
}
