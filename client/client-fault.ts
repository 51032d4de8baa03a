import type { CompanionError } from '../protocol/error-codes.js';
import type { MalformedFrameError } from './malformed-frame-error.js';

/** Something went wrong that no call of the client is waiting for. The client goes on. */
export type ClientFault =
  /** A frame of a known type breaks its schema. An event among them is stepped over. */
  | { kind: 'malformed'; error: MalformedFrameError }
  /** An `error` frame that answers no open request, for example of an `ack` that was refused. */
  | { kind: 'server'; error: CompanionError }
  /** The events after `from` and before `to` are missing, and asking for them again did not bring them. */
  | { kind: 'gap'; sessionId: string; from: number; to: number }
  /**
   * `renewToken` rejected. With a `ConnectionError` `unauthorized` the device is out, and the client is closed once the
   * connection ends; with anything else it is tried again.
   */
  | { kind: 'renewal'; error: unknown }
  /** The cursor store failed: what was handed over since may come again after a restart. */
  | { kind: 'store'; error: unknown }
  /** A listener threw. */
  | { kind: 'listener'; listener: string; error: unknown };
