import type { ClientFrameType, ClientInput } from '../protocol/client-frames.js';
import { EVENTS, type EventData } from '../protocol/events.js';
import { ANSWERS, type AnswerData, type AnswerType } from '../protocol/server-frames.js';

/** Frames with an answer, which excludes `ack`. */
export type RequestType = Exclude<ClientFrameType, 'ack'>;

/** The type of the frame that answers each request. */
const ANSWER_OF = {
  subscribe: 'subscribed',
  unsubscribe: 'unsubscribed',
  streamStart: 'streamStarted',
  streamSend: 'promptAccepted',
  cancelPrompt: 'promptCancelled',
  interrupt: 'interrupted',
  streamClose: 'sessionStatus',
  permission: 'permissionAccepted',
  setModel: 'sessionStatus',
  setPermissionMode: 'sessionStatus',
  setWorkingDirectory: 'workingDirectorySet',
  claudeCommand: 'claudeResponse',
  ask: 'askResponse',
  getMessageHistory: 'getMessageHistory',
  registerDevice: 'deviceRegistered',
  clientBackgrounding: 'presence',
  clientForegrounding: 'presence',
  reauthenticate: 'reauthenticated',
  ping: 'pong',
} as const satisfies Record<RequestType, AnswerType | 'sessionStatus'>;

type AnswerTypeOf<T extends RequestType> = (typeof ANSWER_OF)[T];

/** The checked `data` of the answer to a request. */
export type AnswerTo<T extends RequestType> =
  AnswerTypeOf<T> extends AnswerType ? AnswerData<AnswerTypeOf<T>> : EventData<'sessionStatus'>;

/** The frame that answers a request. */
export interface AnswerFrame<T extends RequestType> {
  type: AnswerTypeOf<T>;
  requestId: string;
  timestamp: string;
  data: AnswerTo<T>;
}

export const answerTypeOf = <T extends RequestType>(type: T): AnswerTypeOf<T> => ANSWER_OF[type];

const ANSWER_SCHEMAS = { ...ANSWERS, sessionStatus: EVENTS.sessionStatus } as const;
export const answerSchemaOf = (type: RequestType) => ANSWER_SCHEMAS[ANSWER_OF[type]];

/** Requests that are answered at the end of a turn: without a timeout, unless the caller sets one. */
const AS_LONG_AS_A_TURN: ReadonlySet<RequestType> = new Set<RequestType>(['ask', 'claudeCommand']);
export const waitsForTurn = (type: RequestType): boolean => AS_LONG_AS_A_TURN.has(type);

/** A repeated close could end a newer session, and a credential belongs to the connection that it was sent on. */
const ONCE: ReadonlySet<RequestType> = new Set<RequestType>(['streamClose', 'reauthenticate']);

/**
 * Whether a request can be sent again, with the same request id, when the connection broke before its answer. Prompts
 * can, in every request type: the daemon accepts each request id of a device once.
 */
export function isRepeatable<T extends RequestType>(type: T, data: ClientInput<T>): boolean {
  // Without an id it answers the oldest open request, which can be another one by then.
  if (type === 'permission') return 'permissionId' in data && data.permissionId !== undefined;
  // Without a directory it is not a prompt of a session, but a run of its own.
  if (type === 'ask') return 'workingDirectory' in data && data.workingDirectory !== undefined;
  return !ONCE.has(type);
}
