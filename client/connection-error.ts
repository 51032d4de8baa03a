/**
 * Why there is no connection.
 * - `lost`: it broke, and the request could not be repeated safely. The client goes on trying to connect.
 * - `replaced`: another connection took this device over (4409).
 * - `revoked`: the credential was revoked or has expired (1008), and could not be renewed.
 * - `unauthorized`: the daemon did not take the credential (HTTP 401), and it could not be renewed.
 * - `forbidden`: the daemon did not take the origin or the host (HTTP 403).
 * - `closed`: this client was closed.
 */
export type ConnectionErrorReason = 'lost' | 'replaced' | 'revoked' | 'unauthorized' | 'forbidden' | 'closed';

/** There is no connection to the daemon; `reason` says whether trying again can help. */
export class ConnectionError extends Error {
  readonly reason: ConnectionErrorReason;

  constructor(reason: ConnectionErrorReason, message: string) {
    super(message);
    this.name = 'ConnectionError';
    this.reason = reason;
  }
}
