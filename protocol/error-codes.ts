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

export const errorCodeSchema = z.enum(Object.keys(ERROR_STATUS) as [ErrorCode, ...ErrorCode[]]);

export const errorDetailsSchema = z.object({
  field: z.string().optional(),
  rule: z.string().optional(),
  retryAfterMs: z.number().optional(),
  suggestion: z.string().optional(),
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
