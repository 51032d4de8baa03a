import * as z from 'zod';

/** Every error code of the wire with its HTTP status. */
export const ERROR_STATUS = {
  INVALID_REQUEST: 400,
  UNAUTHORIZED: 401,
  PERMISSION_DENIED: 403,
  SESSION_NOT_FOUND: 404,
  PROJECT_NOT_FOUND: 404,
  NOT_FOUND: 404,
  CONFLICT: 409,
  ALREADY_RESOLVED: 409,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  CLAUDE_UNAVAILABLE: 503,
  CLAUDE_NOT_LOGGED_IN: 503,
  CAPACITY: 503,
  STORAGE_FULL: 507,
  TIMEOUT: 504,
  INTERNAL_ERROR: 500,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** For documents. */
export const ERROR_MEANINGS: Record<ErrorCode, string> = {
  INVALID_REQUEST: '`details.field` breaks `details.rule`',
  UNAUTHORIZED: 'no valid credential',
  PERMISSION_DENIED:
    'not allowed here: host, origin, directory, file, mode; or the credential lacks the scope that `details.rule` names',
  SESSION_NOT_FOUND: 'no such session of this person',
  PROJECT_NOT_FOUND: 'no such directory',
  NOT_FOUND: 'nothing with that name',
  CONFLICT: 'not possible in this state',
  ALREADY_RESOLVED: 'the permission request was already decided',
  PAYLOAD_TOO_LARGE: 'a size limit is exceeded',
  RATE_LIMITED: 'a limit is exceeded; `details.retryAfterMs` says when to try again',
  CLAUDE_UNAVAILABLE: 'no CLI, or it cannot be kept running, or it is too old for the request',
  CLAUDE_NOT_LOGGED_IN: 'the CLI has no credentials',
  CAPACITY: 'a limit on waiting prompts, a budget that is used up, or a machine without room for another child',
  STORAGE_FULL: 'the journal cannot be written',
  TIMEOUT: 'no answer in time',
  INTERNAL_ERROR: 'a bug; the log has the request id',
};

export const errorCodeSchema = z.enum(Object.keys(ERROR_STATUS) as [ErrorCode, ...ErrorCode[]]);

export const errorDetailsSchema = z.object({
  field: z.string().optional().describe('The wrong field, such as `options.model` or `attachments.0.data`.'),
  rule: z.string().optional().describe('The rule that it breaks; can be shown to a person.'),
  retryAfterMs: z.number().optional().describe('When to try again.'),
  suggestion: z.string().optional().describe('What a person can do about it.'),
});
export type ErrorDetails = z.infer<typeof errorDetailsSchema>;

/** Close codes of WebSockets closed by the daemon. */
export const CLOSE = {
  goingAway: 1001,
  credentialRevoked: 1008,
  tooLarge: 1009,
  internal: 1011,
  restarting: 1012,
  overCapacity: 1013,
  noPong: 4408,
  replaced: 4409,
  tooSlow: 4413,
  tooManyRequests: 4429,
} as const;

/** For documents: why the daemon closes with a code, and what a client does then. */
export const CLOSE_MEANINGS: Record<keyof typeof CLOSE, { meaning: string; client: string }> = {
  goingAway: { meaning: 'going away; reserved, not sent yet', client: 'reconnect' },
  credentialRevoked: {
    meaning: 'the credential of the connection is revoked or has expired',
    client: 'renew the token, or ask the person',
  },
  tooLarge: { meaning: 'a frame was over 12 MiB', client: 'do not send it again' },
  internal: { meaning: 'the daemon could not continue this connection', client: 'reconnect after a pause' },
  restarting: { meaning: 'the daemon stops, restarts or repairs its journal', client: 'reconnect at once' },
  overCapacity: { meaning: 'over capacity; reserved, not sent yet', client: 'reconnect after a pause' },
  noPong: { meaning: 'no answer to a ping', client: 'reconnect' },
  replaced: { meaning: 'a newer connection of the same device', client: 'do not reconnect automatically' },
  tooSlow: { meaning: 'the reader is too slow', client: 'reconnect; the cursor says where to resume' },
  tooManyRequests: {
    meaning: 'it kept sending although its frames were refused as too many',
    client: 'reconnect after a minute',
  },
};

/** An expected failure, sent to the client. `details.field` and `details.rule` name the input and the broken rule. */
export class CompanionError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;

  constructor(code: ErrorCode, message: string, details?: ErrorDetails) {
    super(message);
    this.name = 'CompanionError';
    this.code = code;
    this.details = details;
  }
}

/** `INVALID_REQUEST` with the field and the broken rule. */
export const invalid = (field: string, rule: string): CompanionError =>
  new CompanionError('INVALID_REQUEST', `${field}: ${rule}`, { field, rule });
