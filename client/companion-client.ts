import { type ClientCommands, createCommands, type SendRequest } from './client-commands.js';
import { ClientCore, type CompanionClientEvents } from './client-core.js';
import { type CompanionClientOptions, checkOptions } from './companion-client-options.js';
import type { ConnectionState } from './connection.js';

/** A connection to the daemon that reconnects by itself, without losing or repeating events. */
export interface CompanionClient extends ClientCommands {
  readonly state: ConnectionState;
  /** The given id, or the one assigned by the daemon; undefined before the first welcome. */
  readonly deviceId: string | undefined;
  /**
   * Sends any request; without a connection it waits for one. Rejects with `CompanionError` for the daemon's `error`,
   * and with its code `TIMEOUT` when no answer arrived; with `ConnectionError` when the connection broke and the
   * request cannot be repeated safely, when the daemon refuses this client, and after `close`; with
   * `MalformedFrameError` when the answer violates its schema.
   */
  readonly request: SendRequest;
  /** Calls the listener until the returned function is called. Listeners are called in order, synchronously. */
  on<K extends keyof CompanionClientEvents>(name: K, listener: (value: CompanionClientEvents[K]) => void): () => void;
  /**
   * Marks all events of the session up to `seq` as processed: saves, then acknowledges. For `acknowledge: 'manual'`.
   * Throws `CompanionError` `INVALID_REQUEST` for a `seq` beyond the last delivered event.
   */
  acknowledge(sessionId: string, seq: number): void;
  /** Tries at once instead of waiting, and again after the daemon has refused it. Does nothing while connected. */
  reconnect(): void;
  /**
   * Ends the connection permanently. Waiting requests are rejected. Resolves once cursors are saved and acknowledged
   * and no socket, file or timer is left.
   */
  close(): Promise<void>;
}

/**
 * Creates a client of the daemon. It starts to connect at once; listeners that are attached in the same turn of the
 * event loop miss nothing. Throws `CompanionError` `INVALID_REQUEST` for an invalid option.
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
