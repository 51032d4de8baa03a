import type { CompanionError } from '../protocol/error-codes.js';

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

/** A frame of the daemon violates its schema. `frameType` is undefined when even the type could not be read. */
export class MalformedFrameError extends Error {
  readonly frameType: string | undefined;

  constructor(frameType: string | undefined, problem: string) {
    super(`${frameType ?? 'A frame'} of the daemon is malformed: ${problem}`);
    this.name = 'MalformedFrameError';
    this.frameType = frameType;
  }
}

/** A failure that no call of the client is waiting for. The client continues. */
export type ClientFault =
  /** A frame of a known type violates its schema. An event of this kind is skipped. */
  | { kind: 'malformed'; error: MalformedFrameError }
  /** An `error` frame that answers no open request, for example of a refused `ack`. */
  | { kind: 'server'; error: CompanionError }
  /** The events after `from` and before `to` are missing, even after a second request for them. */
  | { kind: 'gap'; sessionId: string; from: number; to: number }
  /**
   * `renewToken` rejected. With a `ConnectionError` `unauthorized` the device is signed out, and the client is closed
   * once the connection ends; after any other error it tries again.
   */
  | { kind: 'renewal'; error: unknown }
  /** The cursor store failed: events delivered since can be delivered again after a restart. */
  | { kind: 'store'; error: unknown }
  /** A listener threw. */
  | { kind: 'listener'; listener: string; error: unknown };
