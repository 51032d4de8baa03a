/** What stands in a row of the table of commands. */
import type * as z from 'zod';
import type { Need } from '../access.js';
import type { AuditAction } from '../audit.js';
import type { Attachment, PermissionMode } from '../scalars.js';

/** Questions that a person no longer wants to be asked; granting them needs more than the command's scope. */
export interface Liberties {
  permissionMode?: PermissionMode | undefined;
  allowedTools?: readonly string[] | undefined;
}

/** A text passed to Claude, and its field. */
export interface Prompted {
  text: string;
  field: string;
  attachments?: readonly Attachment[] | undefined;
}

interface CommandRule<Needs> {
  needs: Needs;
  /** Absent: there is no audit entry, or the command writes its own. */
  audit?: AuditAction;
}

export interface FrameRule<Data> extends CommandRule<Need> {
  /** The limit that it counts towards, besides that of frames. */
  counts?: 'prompts';
  /** A text passed to Claude; it can be a command of the CLI, which can need a higher scope. */
  prompt?: (data: Data) => Prompted;
  /** Another text whose digest goes into the audit. */
  said?: (data: Data) => string;
  liberties?: (data: Data) => Liberties;
  /** Clients rely on its order: it is accepted before the next frame of the connection is processed. */
  ordered?: true;
}

/** `none`: anonymous callers are served, with less. `actionToken`: `approve`, or a push's token. */
export type RestNeed = Need | 'none' | 'actionToken';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface RestRule extends CommandRule<RestNeed> {
  /** Method and path: `:name` matches one segment, `*name` one or more. */
  at: `${Method} /${string}`;
  /** Only on the local socket. */
  local?: true;
  counts: 'reads' | 'files';
  body?: z.ZodType;
  query?: z.ZodType;
  /** The maximum bytes of the body: 1 MiB unless given. */
  maxBody?: number;
  /** A body of `application/octet-stream` is not read ahead: the handler takes it as it comes. */
  takesBytes?: true;
  /** What it changes has versions: `If-Match` permits some. Without this, `If-Match` with tags permits nothing. */
  versioned?: true;
  /** Its route checks a credential of its own, which is none of a person's. */
  ownCredential?: true;
  /** Its answer holds a credential: it is never on the disk. */
  secret?: true;
  /**
   * A `POST` with an `Idempotency-Key` of which it is unknown whether it ran, since the daemon died. `same`: it runs
   * again, because that does nothing more. `samePrompt`: it runs again under the key as request id, which makes it the
   * same prompt (I1). Otherwise it is refused.
   */
  again?: 'same' | 'samePrompt';
  liberties?: (body: never) => Liberties;
  /** A text passed to Claude, which counts as a prompt; it can be a command of the CLI, which can need a higher scope. */
  prompt?: (body: never) => Prompted;
}

export const reads = <Needs extends RestNeed>(needs: Needs) => ({ needs, counts: 'reads' }) as const;
export const changes = <Needs extends RestNeed, Action extends AuditAction>(needs: Needs, audit: Action) =>
  ({ needs, counts: 'reads', audit }) as const;
export const ofFiles = <Action extends AuditAction>(audit: Action) =>
  ({ needs: 'files', counts: 'files', audit }) as const;
