import type { ClientInput } from '../protocol/client-frames.js';
import { ClientCore, type CompanionClientEvents, type RequestOptions } from './client-core.js';
import { type CompanionClientOptions, checkOptions, type OpenDaemonSocket } from './companion-client-options.js';
import type { ConnectionState } from './connection.js';
import type { AnswerFrame, AnswerTo, RequestType } from './requests.js';

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

/** A client on the sockets of a platform: see `createCompanionClient` and `createBrowserClient`. */
export function createClient(options: CompanionClientOptions, openSocket: OpenDaemonSocket): CompanionClient {
  checkOptions(options);
  const core = new ClientCore(options, openSocket);
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

/** Sends a request and resolves with the frame that answers it. */
export type SendRequest = <T extends RequestType>(
  type: T,
  data: ClientInput<T>,
  options?: RequestOptions,
) => Promise<AnswerFrame<T>>;

/** A request by name. Resolves with the data of its answer; rejects as `request` does. */
type Command<T extends RequestType> = (data: ClientInput<T>, options?: RequestOptions) => Promise<AnswerTo<T>>;

export interface ClientCommands {
  subscribe: Command<'subscribe'>;
  unsubscribe: Command<'unsubscribe'>;
  /** Joins or opens the directory's session and sends the prompt. Repeated with its request id until it is answered. */
  streamStart: Command<'streamStart'>;
  /** Sends a prompt. Repeated with its request id until it is answered: the daemon accepts it once. */
  streamSend: Command<'streamSend'>;
  cancelPrompt: Command<'cancelPrompt'>;
  interrupt: Command<'interrupt'>;
  streamClose: Command<'streamClose'>;
  /** Answers a permission request. Without a `permissionId` it is not repeated after a lost connection. */
  answerPermission: Command<'permission'>;
  setModel: Command<'setModel'>;
  setPermissionMode: Command<'setPermissionMode'>;
  setEffort: Command<'setEffort'>;
  setThinking: Command<'setThinking'>;
  addDirectory: Command<'addDirectory'>;
  getMessageHistory: Command<'getMessageHistory'>;
  sessionCapabilities: Command<'sessionCapabilities'>;
  suggestFiles: Command<'suggestFiles'>;
  contextUsage: Command<'contextUsage'>;
  /** Not repeated after a lost connection: each one costs a call of the API. Without a timeout of its own. */
  sideQuestion: Command<'sideQuestion'>;
  ping: () => Promise<AnswerTo<'ping'>>;
}

function createCommands(request: SendRequest): ClientCommands {
  const command =
    <T extends RequestType>(type: T): Command<T> =>
    async (data, options) =>
      (await request(type, data, options)).data;
  const ping = command('ping');
  return {
    subscribe: command('subscribe'),
    unsubscribe: command('unsubscribe'),
    streamStart: command('streamStart'),
    streamSend: command('streamSend'),
    cancelPrompt: command('cancelPrompt'),
    interrupt: command('interrupt'),
    streamClose: command('streamClose'),
    answerPermission: command('permission'),
    setModel: command('setModel'),
    setPermissionMode: command('setPermissionMode'),
    setEffort: command('setEffort'),
    setThinking: command('setThinking'),
    addDirectory: command('addDirectory'),
    getMessageHistory: command('getMessageHistory'),
    sessionCapabilities: command('sessionCapabilities'),
    suggestFiles: command('suggestFiles'),
    contextUsage: command('contextUsage'),
    sideQuestion: command('sideQuestion'),
    ping: () => ping({}),
  };
}
