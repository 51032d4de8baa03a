import type { AuditAction } from '../../protocol/commands.js';
import type { ErrorCode } from '../../protocol/error-codes.js';

/** SHA-256, in hex: says whether it was this content, and not what it was. Made by `digestOf`. */
export type Digest = string & { readonly __brand: 'Digest' };

/** A type and not an interface, since the writer takes it for a record of texts. */
export type AuditEntry = {
  action: AuditAction;
  /** How it went: the code of the error where there was one. */
  outcome: 'ok' | ErrorCode;
  /** Who. */
  userId?: string;
  deviceId?: string;
  /** The kind or the id of the credential, never the credential. */
  credential?: string;
  /** From where: the network address of the client, or `local`. */
  address?: string;
  requestId?: string;
  /** On whom, or on whose device. */
  targetUserId?: string;
  targetDeviceId?: string;
  /** On what. */
  sessionId?: string;
  permissionId?: string;
  path?: Digest;
  /** Of what was said, read or written. */
  digest?: Digest;
};

/** Where it is kept who did what, and from where. Never fails. */
export interface Audit {
  record(entry: AuditEntry): void;
}
