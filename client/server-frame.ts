import { EVENTS, type EventData, type EventType } from '../protocol/events.js';
import { parseJson } from '../protocol/json.js';
import {
  ANSWERS,
  type AnswerData,
  POSITIONED,
  type PositionedFrame,
  type ServerEnvelope,
  serverEnvelopeSchema,
} from '../protocol/server-frames.js';
import { MalformedFrameError } from './errors.js';

/** The position of an event in its session. */
export interface EventPlace {
  sessionId: string;
  seq: number;
  epoch: string;
}

/** A durable event; `type` determines its `data`. `at` is the time of the event, replayed or not. */
export type ClientEvent = {
  [T in EventType]: EventPlace & { type: T; data: EventData<T>; replayed: boolean; at: string };
}[EventType];

/**
 * A frame outside the journal: streamed text, a still open permission request from before the cursor (it may have been
 * delivered as an event: use its `permissionId` as the key), requested results, and, for a client without `renewToken`,
 * the notice that the token expires soon and needs a `reauthenticate`.
 */
export type UnplacedFrame =
  | PositionedFrame
  | { type: 'permissionRequest'; data: EventData<'permissionRequest'> }
  | { type: 'conversationResult'; data: AnswerData<'conversationResult'> }
  /** Belongs to no session; the field exists so that it can be read from every frame. */
  | { type: 'tokenExpiring'; data: AnswerData<'tokenExpiring'> & { sessionId?: undefined } };

/** A frame whose envelope was parsed; its `data` is not checked yet. */
export type ServerFrame =
  | { kind: 'event'; place: EventPlace; envelope: ServerEnvelope }
  | { kind: 'answer'; requestId: string; envelope: ServerEnvelope }
  | { kind: 'unplaced'; envelope: ServerEnvelope }
  | { kind: 'unknown' }
  | { kind: 'malformed'; error: MalformedFrameError };

/** Parses a text frame of the daemon. Never throws. */
export function parseServerFrame(text: string): ServerFrame {
  const raw = parseJson(text);
  const type = typeOf(raw);
  const parsed = serverEnvelopeSchema.safeParse(raw);
  if (!parsed.success) {
    // The format of a newer daemon's frames is ignored.
    if (type !== undefined && !isKnown(type)) return { kind: 'unknown' };
    return malformed(type, problemOf(parsed.error));
  }
  const envelope = parsed.data;
  const { sessionId, seq, epoch, requestId } = envelope;
  if (seq === undefined) {
    return requestId === null ? { kind: 'unplaced', envelope } : { kind: 'answer', requestId, envelope };
  }
  if (sessionId === undefined || epoch === undefined) return malformed(type, 'seq without sessionId and epoch');
  return { kind: 'event', place: { sessionId, seq, epoch }, envelope };
}

/** The checked data, `undefined` for an event type that this version does not know, or the schema error. */
export function parseEvent(place: EventPlace, envelope: ServerEnvelope): ClientEvent | MalformedFrameError | undefined {
  const { type, _queued: replayed = false, timestamp: at } = envelope;
  if (!isEventType(type)) return undefined;
  const data = parseData<unknown>(type, EVENTS[type], envelope.data);
  return data instanceof MalformedFrameError ? data : ({ ...place, type, data, replayed, at } as ClientEvent);
}

/** Like `parseEvent`, for frames outside the journal that the client passes on unchanged. */
export function parseUnplaced({ type, data: raw }: ServerEnvelope): UnplacedFrame | MalformedFrameError | undefined {
  if (!Object.hasOwn(UNPLACED, type)) return undefined;
  const known = type as keyof typeof UNPLACED;
  const data = parseData<unknown>(known, UNPLACED[known], raw);
  return data instanceof MalformedFrameError ? data : ({ type: known, data } as UnplacedFrame);
}

const UNPLACED = {
  ...POSITIONED,
  permissionRequest: EVENTS.permissionRequest,
  conversationResult: ANSWERS.conversationResult,
  tokenExpiring: ANSWERS.tokenExpiring,
} as const satisfies Record<UnplacedFrame['type'], unknown>;

interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: ParseError };
}

interface ParseError {
  issues: { path: PropertyKey[]; message: string }[];
}

export function parseData<T>(type: string, schema: Schema<T>, value: unknown): T | MalformedFrameError {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : new MalformedFrameError(type, problemOf(parsed.error));
}

const isEventType = (type: string): type is EventType => Object.hasOwn(EVENTS, type);
const isKnown = (type: string) => [EVENTS, ANSWERS, POSITIONED].some((table) => Object.hasOwn(table, type));

const malformed = (type: string | undefined, problem: string): ServerFrame => ({
  kind: 'malformed',
  error: new MalformedFrameError(type, problem),
});

function problemOf({ issues: [issue] }: ParseError): string {
  if (!issue) return 'it is not valid';
  return issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message;
}

function typeOf(raw: unknown): string | undefined {
  if (typeof raw !== 'object' || raw === null || !('type' in raw)) return undefined;
  return typeof raw.type === 'string' ? raw.type : undefined;
}
