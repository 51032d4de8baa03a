import { CompanionError, type ErrorCode, type ErrorDetails } from '../../protocol/error-codes.js';
import type { EventData } from '../../protocol/events.js';
import type { AnswerData, AnswerType } from '../../protocol/server-frames.js';
import type { Caller, NamedDirectory } from '../../services/commands/command-context.js';
import type { DeviceConnection } from '../../services/delivery/device/device-connection.js';
import { answerFrame, copyFrame } from '../../services/delivery/frames.js';
import type { Principal } from '../../services/identity/principal.js';
import type { DeviceRef } from '../../services/ports/records.js';
import type { TraceHeaders } from '../../services/ports/tracing.js';
import type { Visit } from '../../services/push/policy/push-policy.js';
import { RateLimitError } from '../access/rate-limits.js';
import type { RouteServices } from '../route-services.js';

/** The state that the frames of one connection share. */
export interface ConnectionContext {
  services: RouteServices;
  /** Changes when the client renews its credential. */
  principal: Principal;
  device: DeviceRef;
  /** The client's address: a network address, or `local`. */
  address: string;
  delivery: DeviceConnection;
  /** The presence of its device. */
  visit: Visit;
  /** Default for relative working directories, set by the client. */
  workingDirectory: string | undefined;
  /** The headers of its upgrade in which the trace of its client stands, where frames are traced. */
  readonly trace: TraceHeaders | undefined;
  /** Counts refused frames. */
  readonly refusals: RefusalCounter;
  /** Aborted when the connection has ended, for any reason: answers can no longer be delivered. */
  readonly ended: AbortSignal;
  /** The daemon has closed the connection: none of its frames is started any more, not even earlier ones. */
  readonly isExpelled: boolean;
  /** The id of this connection in `welcome`. */
  readonly clientId: string;
  send: (frame: string) => void;
  /** One of its frames was answered with an error. */
  refused: () => void;
  /** Ends the connection without waiting long for the client's close. */
  expel: (code: number, reason: string) => void;
  /** Adopts another credential of the same person and device. */
  renew: (principal: Principal) => void;
}

/** One frame of a client and its one answer. */
export interface RequestContext {
  connection: ConnectionContext;
  requestId: string | null;
  /** The `traceparent` of the frame, where it is traced. */
  trace?: string | undefined;
}

/** The sender of a frame, as use cases know it. */
export const callerOf = ({ connection: { device, principal }, requestId, trace }: RequestContext): Caller => ({
  device,
  requestId,
  key: principal.key,
  trace,
});

/** A client's path: relative ones start at the connection's directory, else at the first root. */
export const directoryOf = (
  { workingDirectory: base }: ConnectionContext,
  path: string,
  field: string,
): NamedDirectory => ({ path, field, ...(base !== undefined && { base }) });

export const answer = <T extends AnswerType>(
  { connection, requestId }: RequestContext,
  type: T,
  data: AnswerData<T>,
): void => connection.send(answerFrame({ type, requestId, data }));

/** `sessionStatus` as an answer: a copy of the event without `seq`. */
export const answerStatus = ({ connection, requestId }: RequestContext, data: EventData<'sessionStatus'>): void =>
  connection.send(copyFrame({ type: 'sessionStatus', requestId, data }));

/** Answers with a thrown error. An unexpected one is logged, and reported without its text. */
export function answerError(context: RequestContext, thrown: unknown): void {
  const { connection, requestId } = context;
  connection.refused();
  if (thrown instanceof CompanionError) {
    // Further parts of the name can be a client's own words: the keys of a record.
    const field = thrown.details?.field?.split('.')[0];
    // Exceeded limits would flood the log.
    const level = thrown instanceof RateLimitError ? 'debug' : 'info';
    connection.services.log[level]('frame refused', { requestId, code: thrown.code, field });
    answer(context, 'error', errorData(thrown));
    return;
  }
  const error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  connection.services.log.error('a frame failed', { requestId, error });
  const message = 'Something went wrong in the daemon; its log has this request id.';
  answer(context, 'error', { code: 'INTERNAL_ERROR', message });
}

const errorData = ({
  code,
  message,
  details,
}: CompanionError): { code: ErrorCode; message: string; details?: ErrorDetails } => ({
  code,
  message,
  ...(details && { details }),
});

/** Counts the refusals of a single connection within the period of its person's frame limit. */
export class RefusalCounter {
  #count = 0;
  /** The end of the period, by the monotonic clock. */
  #until = 0;

  /** `resetMs`: until the person's count restarts. Returns the number in the period, this one included. */
  add(resetMs: number): number {
    const now = performance.now();
    if (now >= this.#until) {
      this.#count = 0;
      this.#until = now + resetMs;
    }
    this.#count += 1;
    return this.#count;
  }
}
