import type { ClientFrameType, ClientInput } from '../protocol/client-frames.js';
import { CompanionError } from '../protocol/error-codes.js';
import { EVENTS, type EventData } from '../protocol/events.js';
import { MAX_CLIENT_FRAME_BYTES } from '../protocol/limits.js';
import { utf8Length } from '../protocol/scalars.js';
import {
  ANSWERS,
  type AnswerData,
  type AnswerType,
  FRAME_ANSWERS,
  type ServerEnvelope,
} from '../protocol/server-frames.js';
import { type ConnectionError, MalformedFrameError } from './errors.js';
import { parseData } from './server-frame.js';

/** Called in the order of the frames, before any frame after the answer is handled. */
export interface RequestHooks<T extends RequestType> {
  /** The request was sent, for the first time or again. */
  onSent?: (requestId: string) => void;
  onAnswer?: (data: AnswerTo<T>, requestId: string) => void;
  onFailure?: (requestId: string) => void;
}

export interface NewRequest<T extends RequestType> {
  type: T;
  data: ClientInput<T>;
  requestId: string;
  /** Milliseconds until it times out; 0 for never. */
  timeoutMs: number;
  /** Whether it is sent again after a broken connection, where its type allows that. */
  repeat?: boolean;
  hooks?: RequestHooks<T>;
}

interface Pending {
  type: RequestType;
  text: string;
  repeatable: boolean;
  sent: boolean;
  timer: NodeJS.Timeout | undefined;
  onSent: () => void;
  succeed: (envelope: ServerEnvelope) => MalformedFrameError | undefined;
  fail: (error: Error) => void;
}

/** Requests that wait for their answers, in order of creation. */
export class Requests {
  readonly #send: (text: string) => boolean;
  readonly #pending = new Map<string, Pending>();

  /** `send` returns whether the text was sent. */
  constructor(send: (text: string) => boolean) {
    this.#send = send;
  }

  /**
   * Sends a request now or, without a connection, as soon as there is one. Rejects with `CompanionError` (the daemon's
   * error; `TIMEOUT`; `PAYLOAD_TOO_LARGE` above 12 MiB; `INVALID_REQUEST` for the id of a waiting request),
   * `ConnectionError` or `MalformedFrameError`.
   */
  request<T extends RequestType>(request: NewRequest<T>): Promise<AnswerFrame<T>> {
    const { type, data, requestId } = request;
    const text = JSON.stringify({ type, requestId, timestamp: new Date().toISOString(), data });
    if (utf8Length(text) > MAX_CLIENT_FRAME_BYTES) {
      const rule = `must be at most ${MAX_CLIENT_FRAME_BYTES} bytes`;
      return Promise.reject(new CompanionError('PAYLOAD_TOO_LARGE', `The request ${rule}.`, { field: 'frame', rule }));
    }
    if (this.#pending.has(requestId)) {
      const details = { field: 'requestId', rule: 'must not be that of a request that waits for its answer' };
      return Promise.reject(new CompanionError('INVALID_REQUEST', 'The request id is in use.', details));
    }
    return new Promise((resolve, reject) => {
      const pending = this.#add({ request, text, resolve, reject });
      this.#transmit(pending);
    });
  }

  /** Whether the frame answers a request of this client. A malformed answer fails its request and is returned. */
  settle(requestId: string, envelope: ServerEnvelope): boolean | MalformedFrameError {
    const pending = this.#pending.get(requestId);
    if (!pending) return false;
    if (envelope.type !== 'error') return pending.succeed(envelope) ?? true;
    const error = parseData('error', ANSWERS.error, envelope.data);
    const isMalformed = error instanceof MalformedFrameError;
    pending.fail(isMalformed ? error : new CompanionError(error.code, error.message, error.details));
    return isMalformed ? error : true;
  }

  /** There is a connection: all waiting requests are sent. */
  opened(): void {
    for (const pending of this.#pending.values()) if (!pending.sent) this.#transmit(pending);
  }

  /** The connection is gone: requests that cannot be repeated fail, the rest wait for the next one. */
  lost(error: ConnectionError): void {
    for (const pending of this.#pending.values()) {
      if (pending.sent && !pending.repeatable) pending.fail(error);
      else pending.sent = false;
    }
  }

  /** No connection will follow: all requests fail. */
  close(error: ConnectionError): void {
    for (const pending of this.#pending.values()) pending.fail(error);
  }

  #transmit(pending: Pending): void {
    pending.sent = this.#send(pending.text);
    if (pending.sent) pending.onSent();
  }

  #add<T extends RequestType>({ request, text, resolve, reject }: Addition<T>): Pending {
    const { type, data, requestId, timeoutMs, repeat = true, hooks } = request;
    const forget = () => {
      clearTimeout(pending.timer);
      this.#pending.delete(requestId);
    };
    const fail = (error: Error) => {
      forget();
      hooks?.onFailure?.(requestId);
      reject(error);
    };
    const succeed = (envelope: ServerEnvelope) => {
      const answer = readAnswer(type, envelope);
      if (answer instanceof MalformedFrameError) {
        fail(answer);
        return answer;
      }
      forget();
      hooks?.onAnswer?.(answer.data, requestId);
      resolve(answer);
      return undefined;
    };
    const pending: Pending = {
      type,
      text,
      repeatable: repeat && isRepeatable(type, data),
      sent: false,
      timer: timeoutMs > 0 ? setTimeout(() => fail(timeoutError(type, timeoutMs)), timeoutMs) : undefined,
      onSent: () => hooks?.onSent?.(requestId),
      succeed,
      fail,
    };
    this.#pending.set(requestId, pending);
    return pending;
  }
}

interface Addition<T extends RequestType> {
  request: NewRequest<T>;
  text: string;
  resolve: (answer: AnswerFrame<T>) => void;
  reject: (error: Error) => void;
}

const timeoutError = (type: RequestType, timeoutMs: number) =>
  new CompanionError('TIMEOUT', `${type} was not answered within ${timeoutMs} ms.`);

function readAnswer<T extends RequestType>(type: T, envelope: ServerEnvelope): AnswerFrame<T> | MalformedFrameError {
  const expected = answerTypeOf(type);
  if (envelope.type !== expected) {
    return new MalformedFrameError(envelope.type, `it answers ${type}, whose answer must be ${expected}`);
  }
  const data = parseData<unknown>(expected, answerSchemaOf(type), envelope.data);
  if (data instanceof MalformedFrameError) return data;
  const { requestId, timestamp } = envelope;
  return { type: expected, requestId, timestamp, data } as AnswerFrame<T>;
}

/** Frames with an answer, which excludes `ack`. */
export type RequestType = Exclude<ClientFrameType, 'ack'>;

type AnswerTypeOf<T extends RequestType> = (typeof FRAME_ANSWERS)[T];

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

const answerTypeOf = <T extends RequestType>(type: T): AnswerTypeOf<T> => FRAME_ANSWERS[type];

const ANSWER_SCHEMAS = { ...ANSWERS, sessionStatus: EVENTS.sessionStatus } as const;
const answerSchemaOf = (type: RequestType) => ANSWER_SCHEMAS[FRAME_ANSWERS[type]];

/** Requests that are answered at the end of a turn: without a timeout, unless the caller sets one. */
const AS_LONG_AS_A_TURN: ReadonlySet<RequestType> = new Set<RequestType>(['ask', 'claudeCommand', 'sideQuestion']);
export const waitsForTurn = (type: RequestType): boolean => AS_LONG_AS_A_TURN.has(type);

/**
 * A repeated close could end a newer session, a repeated change of the queue could undo a newer one or drop newer
 * prompts, a repeated rewind could undo what was done since, a credential belongs to the connection that it was sent on,
 * each side question costs another call of the API, and a task that was stopped or moved is not there a second time.
 */
const ONCE: ReadonlySet<RequestType> = new Set<RequestType>([
  'streamClose',
  'editPrompt',
  'movePrompt',
  'clearQueue',
  'continueQueue',
  'rewind',
  'reauthenticate',
  'sideQuestion',
  'stopTask',
  'backgroundTask',
]);

/**
 * Whether a request can be sent again, with the same request id, when the connection broke before its answer. Prompts
 * can, in every request type: the daemon accepts each request id of a device once.
 */
function isRepeatable<T extends RequestType>(type: T, data: ClientInput<T>): boolean {
  // Without an id it answers the oldest open request, which can be another one by then.
  if (type === 'permission') return 'permissionId' in data && data.permissionId !== undefined;
  // Without a directory it is not a prompt of a session, but a run of its own.
  if (type === 'ask') return 'workingDirectory' in data && data.workingDirectory !== undefined;
  return !ONCE.has(type);
}

/** 128 random bits. `crypto.randomUUID` requires a secure context, which a console in a home network is not. */
export const newRequestId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
