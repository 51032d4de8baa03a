import type { CompanionError } from '../protocol/error-codes.js';
import type { MalformedFrameError } from './malformed-frame-error.js';

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
