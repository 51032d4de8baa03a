import type { AuditAction } from '../../protocol/audit.js';
import type { ErrorCode } from '../../protocol/error-codes.js';

/** SHA-256, in hex: identifies a content without revealing it. Made by `digestOf`. */
export type Digest = string & { readonly __brand: 'Digest' };

/** A type, not an interface, so that the writer can take it as a record of texts. */
export type AuditEntry = {
  action: AuditAction;
  outcome: 'ok' | ErrorCode;
  /** The person who acted. */
  userId?: string;
  deviceId?: string;
  /** The kind or the id of the credential, never the credential itself. */
  credential?: string;
  /** The client's network address, or `local`. */
  address?: string;
  requestId?: string;
  /** The person affected, or the owner of the affected device. */
  targetUserId?: string;
  targetDeviceId?: string;
  /** The session affected. */
  sessionId?: string;
  permissionId?: string;
  path?: Digest;
  /** The full name of a tool of an MCP server that Claude has called. */
  tool?: string;
  /** Digest of what was said, read or written. */
  digest?: Digest;
};

/** Records who did what, and from where. Never fails. */
export interface Audit {
  record(entry: AuditEntry): void;
}
