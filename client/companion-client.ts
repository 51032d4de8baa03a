import { type ClientCommands, createCommands, type SendRequest } from './client-commands.js';
import { ClientCore, type CompanionClientEvents } from './client-core.js';
import { type CompanionClientOptions, checkOptions } from './companion-client-options.js';
import type { ConnectionState } from './connection.js';

/** A connection to the daemon that comes back by itself, and loses and repeats nothing when it does. */
export interface CompanionClient extends ClientCommands {
  readonly state: ConnectionState;
  /** As given, or as the daemon named this device; undefined before the first welcome. */
  readonly deviceId: string | undefined;
  /**
   * Sends any request; while there is no connection it waits for one. Rejects with `CompanionError` for the daemon's
   * `error`, and with its code `TIMEOUT` when no answer came; with `ConnectionError` when the connection broke and the
   * request cannot be repeated safely, when the daemon refuses this client, and after `close`; with
   * `MalformedFrameError` when the answer makes no sense.
   */
  readonly request: SendRequest;
  /** Calls the listener until the function that is returned is called. Listeners are called in order, synchronously. */
  on<K extends keyof CompanionClientEvents>(name: K, listener: (value: CompanionClientEvents[K]) => void): () => void;
  /**
   * Everything of the session up to `seq` is done with: saved, then acknowledged. For `acknowledge: 'manual'`. Throws
   * `CompanionError` `INVALID_REQUEST` beyond what was handed over.
   */
  acknowledge(sessionId: string, seq: number): void;
  /** Tries at once where it would wait, and again where the daemon has refused it. Nothing happens while connected. */
  reconnect(): void;
  /**
   * Ends the connection for good. Requests that wait are rejected. Resolves once cursors are saved and acknowledged and
   * no socket, file or timer is left.
   */
  close(): Promise<void>;
}

/**
 * A client of the daemon. It begins to connect at once; listeners that are attached in the same turn of the event loop
 * miss nothing. Throws `CompanionError` `INVALID_REQUEST` for an option that cannot be.
 */
export function createCompanionClient(options: CompanionClientOptions): CompanionClient {
  checkOptions(options);
  const core = new ClientCore(options);
  const request: SendRequest = (type, data, requestOptions) => core.request({ ...requestOptions, type, data });
  void core.start();
  return {
    ...createCommands(request),
    request,
    get state() {
      return core.state;
    },
    get deviceId() {
      return core.deviceId;
    },
    on: (name, listener) => core.on(name, listener),
    acknowledge: (sessionId, seq) => core.acknowledge(sessionId, seq),
    reconnect: () => core.connect(),
    close: () => core.close(),
  };
}
