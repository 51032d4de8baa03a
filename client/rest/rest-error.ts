import type { ErrorCode, ErrorDetails } from '../../protocol/error-codes.js';

interface Refusal {
  status: number;
  code?: ErrorCode;
  message: string;
  details?: ErrorDetails;
  requestId?: string;
  retryAfterMs?: number;
}

/** An answer that refuses a request. */
export class RestError extends Error {
  /** The HTTP status; 0 for an error that ended an event stream. */
  readonly status: number;
  /** Undefined where something between here and the daemon has answered, such as a proxy. */
  readonly code: ErrorCode | undefined;
  /** The field and the rule that it breaks, and what can be done. */
  readonly details: ErrorDetails | undefined;
  /** With which the daemon's log has it. */
  readonly requestId: string | undefined;
  /** Milliseconds after which the daemon is ready to be asked again; undefined where it does not say. */
  readonly retryAfterMs: number | undefined;

  constructor({ status, code, message, details, requestId, retryAfterMs }: Refusal) {
    super(message);
    this.name = 'RestError';
    this.status = status;
    this.code = code;
    this.details = details;
    this.requestId = requestId;
    this.retryAfterMs = retryAfterMs;
  }
}

const SECOND_MS = 1000;

/** The error in an answer of the daemon, or of what is before it. */
export async function errorIn(response: Response): Promise<RestError> {
  const { status, headers } = response;
  const wait = Number(headers.get('retry-after') ?? Number.NaN) * SECOND_MS;
  const retryAfterMs = Number.isFinite(wait) ? { retryAfterMs: wait } : {};
  // A body that breaks off says as little as none.
  const text = await response.text().catch(() => '');
  const error = saidIn(text);
  if (!error) return new RestError({ status, message: `The answer has status ${status}.`, ...retryAfterMs });
  const { code, message, details, requestId } = error;
  return new RestError({ status, code, message, ...retryAfterMs, ...optional({ details, requestId }) });
}

interface Said {
  code: ErrorCode;
  message: string;
  details?: ErrorDetails;
  requestId?: string;
}

function saidIn(text: string): Said | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: Partial<Said> };
    return typeof error?.code === 'string' && typeof error.message === 'string' ? (error as Said) : undefined;
  } catch {
    // Not JSON: it is not the daemon that speaks.
    return undefined;
  }
}

const optional = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
