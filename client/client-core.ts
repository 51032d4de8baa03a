import type { ClientInput } from '../protocol/client-frames.js';
import { CompanionError, invalid } from '../protocol/error-codes.js';
import type { AnswerData } from '../protocol/server-frames.js';
import { Acknowledger } from './acknowledger.js';
import {
  type CompanionClientOptions,
  type Credentials,
  DEFAULT_RECONNECT,
  DEFAULT_TIMEOUT_MS,
  type OpenDaemonSocket,
} from './companion-client-options.js';
import { Connection, type ConnectionState } from './connection.js';
import { createMemoryCursorStore } from './cursor-store.js';
import { Emitter } from './emitter.js';
import { type ClientFault, ConnectionError } from './errors.js';
import { Inbox } from './inbox.js';
import { OpenBlocks } from './open-blocks.js';
import {
  type AnswerFrame,
  type AnswerTo,
  newRequestId,
  type RequestHooks,
  Requests,
  type RequestType,
  waitsForTurn,
} from './requests.js';
import type { ClientEvent, UnplacedFrame } from './server-frame.js';
import { SessionCursors } from './session-cursors.js';
import { SessionFollower } from './session-follower.js';
import { Subscription } from './subscription.js';
import { TokenRenewal } from './token-renewal.js';

/** The events of a client. */
export interface CompanionClientEvents {
  /** A durable event: each one once, in the order of its session. */
  event: ClientEvent;
  /** Frames outside the journal, such as streamed text. */
  frame: UnplacedFrame;
  /** Missed events are no longer complete: the snapshot replaces everything known of the session. */
  reset: AnswerData<'reset'>;
  /** All missed events have been delivered; the following ones are live. */
  caughtUp: AnswerData<'caughtUp'>;
  state: ConnectionState;
  error: ClientFault;
}

export interface RequestOptions {
  /** Milliseconds until the request times out, 0 for never; the default is the client's setting. */
  timeoutMs?: number;
  /** The daemon accepts a prompt with the same id only once, on any connection; 1 to 128 characters. */
  requestId?: string;
}

interface CoreRequest<T extends RequestType> extends RequestOptions {
  type: T;
  data: ClientInput<T>;
  /** See `NewRequest`. */
  repeat?: boolean;
}

/** Connects the parts of the client. */
export class ClientCore {
  readonly #options: CompanionClientOptions;
  readonly #openSocket: OpenDaemonSocket;
  readonly #credentials: Credentials;
  readonly #emitter = new Emitter<CompanionClientEvents>({
    onThrow: (name, error) => this.#listenerThrew(name, error),
  });
  readonly #cursors = new SessionCursors();
  readonly #openBlocks = new OpenBlocks();
  readonly #subscription = new Subscription();
  readonly #requests = new Requests((text) => this.#connection.send(text));
  readonly #store;
  readonly #acknowledger: Acknowledger;
  readonly #follower: SessionFollower;
  readonly #inbox: Inbox;
  readonly #renewal: TokenRenewal | undefined;
  readonly #connection: Connection;
  #workingDirectory: string | undefined;
  #started = false;
  #closing: Promise<void> | undefined;

  constructor(options: CompanionClientOptions, openSocket: OpenDaemonSocket) {
    this.#options = options;
    this.#openSocket = openSocket;
    this.#credentials = { token: options.token, deviceId: options.deviceId };
    this.#store = options.cursorStore ?? createMemoryCursorStore();
    this.#acknowledger = new Acknowledger({
      store: this.#store,
      send: (sessionId, seq) => this.#sendAck(sessionId, seq),
      onError: (error) => this.#fault({ kind: 'store', error }),
    });
    this.#follower = new SessionFollower({
      cursors: this.#cursors,
      openBlocks: this.#openBlocks,
      subscription: this.#subscription,
      acknowledger: this.#acknowledger,
      subscribe: (data) => this.request({ type: 'subscribe', data, repeat: false }),
      onError: (error) => this.#fault({ kind: 'server', error }),
    });
    this.#inbox = this.#createInbox();
    this.#renewal = this.#createRenewal();
    this.#connection = this.#createConnection();
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get deviceId(): string | undefined {
    return this.#credentials.deviceId;
  }

  on<K extends keyof CompanionClientEvents>(name: K, listener: (value: CompanionClientEvents[K]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Reads the stored cursors, then connects. */
  async start(): Promise<void> {
    try {
      const known = await this.#store.load();
      this.#cursors.loaded(known);
      this.#acknowledger.loaded(known);
    } catch (error) {
      this.#fault({ kind: 'store', error });
    }
    this.#started = true;
    this.connect();
  }

  /** Does nothing before the cursors are read, after `close`, and while connected. */
  connect(): void {
    if (this.#started && !this.#closing) this.#connection.connect();
  }

  request<T extends RequestType>(request: CoreRequest<T>): Promise<AnswerFrame<T>> {
    if (this.#closing) return Promise.reject(closedError());
    const { state } = this.#connection;
    if (state.kind === 'closed') return Promise.reject(state.error);
    const { type, data, requestId = newRequestId(), repeat = true } = request;
    const usualMs = waitsForTurn(type) ? 0 : (this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const hooks = this.#hooksOf(type, data);
    return this.#requests.request({ type, data, requestId, repeat, hooks, timeoutMs: request.timeoutMs ?? usualMs });
  }

  acknowledge(sessionId: string, seq: number): void {
    const handed = this.#cursors.handed(sessionId);
    if (!handed) throw invalid('sessionId', 'must be a session with a delivered event');
    if (seq > handed.seq) throw invalid('seq', `must be at most ${handed.seq}, the last delivered event`);
    this.#acknowledger.passed(sessionId, { epoch: handed.epoch, seq });
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    this.#requests.close(closedError());
    // Without a connection no acks can be sent, so the tries end at once.
    if (this.#connection.state.kind !== 'open') void this.#connection.close();
    // A running listener may have called this: its event is passed when it returns.
    await Promise.resolve();
    await this.#acknowledger.close();
    await this.#connection.close();
  }

  #createInbox(): Inbox {
    return new Inbox({
      requests: this.#requests,
      cursors: this.#cursors,
      openBlocks: this.#openBlocks,
      subscription: this.#subscription,
      acknowledger: this.#acknowledger,
      acknowledges: this.#options.acknowledge !== 'manual',
      isOpen: () => this.#connection.state.kind === 'open',
      onEvent: (event) => this.#emitter.emit('event', event),
      onFrame: (frame) => {
        if (frame.type === 'tokenExpiring' && this.#renewal) this.#tokenExpiring(this.#renewal);
        else this.#emitter.emit('frame', frame);
      },
      onReset: (reset) => this.#emitter.emit('reset', reset),
      onCaughtUp: (caughtUp) => this.#emitter.emit('caughtUp', caughtUp),
      onFault: (fault) => this.#fault(fault),
      onWelcome: (welcome) => this.#connection.welcomed(welcome),
      resync: (sessionId) => this.#follower.resync(sessionId),
    });
  }

  #createRenewal(): TokenRenewal | undefined {
    const { renewToken, reconnect: backoff = DEFAULT_RECONNECT } = this.#options;
    if (!renewToken) return undefined;
    return new TokenRenewal({
      renewToken,
      backoff,
      onToken: (token) => {
        this.#credentials.token = token;
      },
      onFailure: (error) => this.#fault({ kind: 'renewal', error }),
    });
  }

  #createConnection(): Connection {
    const tokens = this.#renewal;
    const renewal = tokens && {
      renew: () => tokens.renew(),
      isFirst: this.#options.token === undefined,
      isUntold: this.#options.webSocket !== undefined,
    };
    return new Connection({
      ...(renewal && { renewal }),
      openSocket: (listener) => this.#openSocket({ options: this.#options, credentials: this.#credentials, listener }),
      backoff: this.#options.reconnect ?? DEFAULT_RECONNECT,
      welcomeTimeoutMs: this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      onState: (state) => this.#changed(state),
      onText: (text) => {
        if (!this.#closing) this.#inbox.receive(text);
      },
      // Any answer shows that the connection is alive, even an error; without one the connection is given up.
      onSilent: () => void this.request({ type: 'ping', data: {}, repeat: false }).catch(() => undefined),
    });
  }

  /** The next connection uses the new token anyway; this one is sent it. */
  #tokenExpiring(renewal: TokenRenewal): void {
    const { state } = this.#connection;
    renewal.noticed(state, (token) => {
      const request = this.request({ type: 'reauthenticate', data: { token }, repeat: false });
      request.catch((error: unknown) => this.#failed(error));
    });
  }

  #changed(state: ConnectionState): void {
    if (state.kind === 'open') this.#resume(state.welcome);
    else this.#renewal?.disconnected();
    if (state.kind === 'waiting') this.#requests.lost(new ConnectionError('lost', state.because));
    if (state.kind === 'closed') this.#requests.close(state.error);
    this.#emitter.emit('state', state);
  }

  /** The daemon receives the required state before any other request on this connection. */
  #resume(welcome: AnswerData<'welcome'>): void {
    this.#credentials.deviceId = welcome.deviceId;
    const workingDirectory = this.#workingDirectory;
    if (workingDirectory !== undefined) {
      const request = this.request({ type: 'setWorkingDirectory', data: { workingDirectory }, repeat: false });
      request.catch((error: unknown) => this.#failed(error));
    }
    this.#follower.resume(welcome);
    this.#requests.opened();
  }

  #hooksOf<T extends RequestType>(type: T, data: ClientInput<T>): RequestHooks<T> {
    const hooks: { [K in RequestType]?: (input: never) => RequestHooks<never> } = {
      subscribe: (input: ClientInput<'subscribe'>) => this.#follower.hooksOf(input),
      unsubscribe: () => ({ onAnswer: ({ sessionIds }: AnswerTo<'unsubscribe'>) => this.#unsubscribed(sessionIds) }),
      streamStart: () => ({
        onAnswer: ({ sessionId }: AnswerTo<'streamStart'>) => this.#subscription.joined(sessionId),
      }),
      setWorkingDirectory: () => ({
        onAnswer: ({ workingDirectory }: AnswerTo<'setWorkingDirectory'>) => {
          this.#workingDirectory = workingDirectory;
        },
      }),
      reauthenticate: ({ token }: ClientInput<'reauthenticate'>) => ({
        onAnswer: () => {
          this.#credentials.token = token;
        },
      }),
    };
    return (hooks[type]?.(data as never) ?? {}) as RequestHooks<T>;
  }

  #unsubscribed(sessionIds: readonly string[]): void {
    this.#subscription.unsubscribed();
    for (const sessionId of sessionIds) this.#follower.forget(sessionId);
  }

  #sendAck(sessionId: string, seq: number): void {
    const frame = { type: 'ack', requestId: null, timestamp: new Date().toISOString(), data: { sessionId, seq } };
    this.#connection.send(JSON.stringify(frame));
  }

  #failed(error: unknown): void {
    if (error instanceof CompanionError) this.#fault({ kind: 'server', error });
  }

  #fault(fault: ClientFault): void {
    this.#emitter.emit('error', fault);
  }

  /** A bug of the listener's owner. Without a listener for faults it surfaces as an uncaught error. */
  #listenerThrew(listener: keyof CompanionClientEvents, error: unknown): void {
    if (listener !== 'error' && this.#emitter.has('error')) this.#fault({ kind: 'listener', listener, error });
    else
      queueMicrotask(() => {
        throw error;
      });
  }
}

const closedError = () => new ConnectionError('closed', 'The client was closed.');
