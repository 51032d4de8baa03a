/**
 * Why there is no connection.
 * - `lost`: it broke, and the request could not be repeated safely. The client continues trying to connect.
 * - `replaced`: another connection replaced this device's (4409).
 * - `revoked`: the credential was revoked or has expired (1008), and could not be renewed.
 * - `unauthorized`: the daemon refused the credential (HTTP 401), and it could not be renewed.
 * - `forbidden`: the daemon refused the origin or the host (HTTP 403).
 * - `closed`: this client was closed.
 */
export type ConnectionErrorReason = 'lost' | 'replaced' | 'revoked' | 'unauthorized' | 'forbidden' | 'closed';

/** There is no connection to the daemon; `reason` tells whether another try can help. */
export class ConnectionError extends Error {
  readonly reason: ConnectionErrorReason;

  constructor(reason: ConnectionErrorReason, message: string) {
    super(message);
    this.name = 'ConnectionError';
    this.reason = reason;
  }
}
