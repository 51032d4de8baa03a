import type { AnswerData } from '../protocol/server-frames.js';
import {
  afterConnection,
  type BackoffRange,
  backoffDelay,
  type SocketEnd,
  type TokenDoubt,
  unauthorized,
} from './after-connection.js';
import type { ClientSocket, OpenSocket } from './client-socket.js';
import { ConnectionError } from './errors.js';
import { Liveness } from './liveness.js';
import type { RenewalOutcome } from './token-renewal.js';

/** The state of the connection. `attempt` counts tries from 1 and restarts after a stable connection. */
export type ConnectionState =
  /** Includes the renewal of the token for this try. */
  | { kind: 'connecting'; attempt: number }
  | { kind: 'open'; welcome: AnswerData<'welcome'> }
  /** The next try follows after `delayMs`; `because` is the reason for the end of the last one. */
  | { kind: 'waiting'; attempt: number; delayMs: number; because: string }
  /** No automatic try follows: the client was closed, or the daemon would refuse it again. */
  | { kind: 'closed'; error: ConnectionError };

export interface ConnectionOptions {
  openSocket: OpenSocket;
  backoff: BackoffRange;
  /** Set where the token can be renewed. */
  renewal?: {
    /** Never rejects. Its result applies to sockets that are opened later. */
    renew: () => Promise<RenewalOutcome>;
    /** There is no token yet. */
    isFirst: boolean;
    /** The platform hides the HTTP status of a refused upgrade. */
    isUntold: boolean;
  };
  /** A try without a `welcome` after this many milliseconds is given up. */
  welcomeTimeoutMs: number;
  onState: (state: ConnectionState) => void;
  onText: (text: string) => void;
  /** Called after a period of silence: send a frame that gets an answer. */
  onSilent: () => void;
}

/** How long the daemon can take to answer a close, in milliseconds. */
const GOODBYE_MS = 1_000;

/** Opens one socket after the other, until it is closed or refused. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #liveness: Liveness;
  #state: ConnectionState = { kind: 'connecting', attempt: 1 };
  #socket: ClientSocket | undefined;
  #attempt = 0;
  #openedAt: number | undefined;
  /** The next try begins with a renewal. */
  #doubt: TokenDoubt | undefined;
  #renewing = false;
  /** This try uses a newly renewed token. */
  #isFresh = false;
  #unopened = 0;
  #retry: NodeJS.Timeout | undefined;
  #goodbye: Promise<void> | undefined;
  #onGoodbye: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    if (options.renewal?.isFirst) this.#doubt = { isCertain: true, error: unauthorized() };
    this.#liveness = new Liveness({
      onSilent: options.onSilent,
      onDead: () => this.#abandon('The daemon has stopped answering.'),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Tries now: for the first time, instead of waiting, or after a refusal. Does nothing while connected or closed. */
  connect(): void {
    if (this.#goodbye || this.#socket || this.#renewing) return;
    clearTimeout(this.#retry);
    const { renewal } = this.#options;
    const doubt = this.#doubt;
    this.#renewing = doubt !== undefined;
    this.#setState({ kind: 'connecting', attempt: this.#attempt + 1 });
    // A listener may have closed the client.
    if (this.#goodbye) return;
    if (renewal && doubt) void renewal.renew().then((outcome) => this.#renewed(outcome, doubt));
    else this.#try();
  }

  #renewed(outcome: RenewalOutcome, doubt: TokenDoubt): void {
    this.#renewing = false;
    if (this.#goodbye) return;
    if (outcome.kind === 'out') this.#stop(doubt.error);
    else if (outcome.kind === 'failed') {
      // On mere suspicion the old token is kept: the renewal's server may be unreachable.
      if (!doubt.isCertain) this.#doubt = undefined;
      const attempt = this.#attempt + 1;
      this.#wait({ attempt, delayMs: backoffDelay({ attempt, ...this.#options.backoff }), because: outcome.because });
    } else {
      this.#doubt = undefined;
      this.#isFresh = true;
      this.#try();
    }
  }

  #try(): void {
    this.#liveness.expectWithin(this.#options.welcomeTimeoutMs);
    try {
      this.#socket = this.#open();
    } catch (error) {
      this.#ended({ code: 1006, reason: String(error) });
    }
  }

  /** The daemon has sent its welcome: requests can be sent. */
  welcomed(welcome: AnswerData<'welcome'>): void {
    if (this.#state.kind !== 'connecting') return;
    this.#openedAt = performance.now();
    this.#liveness.watch(welcome.heartbeatMs);
    this.#setState({ kind: 'open', welcome });
  }

  /** Whether the text was sent, which requires an open connection. */
  send(text: string): boolean {
    if (this.#state.kind !== 'open' || !this.#socket) return false;
    this.#socket.send(text);
    return true;
  }

  /** Resolves once the socket is gone. */
  close(): Promise<void> {
    this.#goodbye ??= new Promise((resolve) => {
      this.#onGoodbye = resolve;
    });
    this.#liveness.stop();
    clearTimeout(this.#retry);
    if (this.#state.kind !== 'closed') {
      this.#setState({ kind: 'closed', error: new ConnectionError('closed', 'The client was closed.') });
    }
    if (this.#socket) this.#sayGoodbye(this.#socket);
    else this.#onGoodbye?.();
    return this.#goodbye;
  }

  #open(): ClientSocket {
    const isCurrent = () => this.#socket === socket;
    const socket = this.#options.openSocket({
      onText: (text) => {
        if (!isCurrent()) return;
        this.#liveness.heard();
        this.#options.onText(text);
      },
      onPing: () => this.#liveness.heard(),
      onEnd: (end) => {
        if (isCurrent()) this.#ended(end);
      },
    });
    return socket;
  }

  #sayGoodbye(socket: ClientSocket): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => socket.drop(), GOODBYE_MS);
    socket.close();
  }

  #abandon(reason: string): void {
    const socket = this.#socket;
    this.#ended({ code: 1006, reason });
    socket?.drop();
  }

  #ended(end: SocketEnd): void {
    this.#socket = undefined;
    this.#liveness.stop();
    clearTimeout(this.#retry);
    if (this.#goodbye) {
      this.#onGoodbye?.();
      return;
    }
    const openMs = this.#openedAt === undefined ? 0 : performance.now() - this.#openedAt;
    this.#unopened = this.#openedAt === undefined ? this.#unopened + 1 : 0;
    this.#openedAt = undefined;
    const { backoff, renewal } = this.#options;
    const facts = renewal && { isFresh: this.#isFresh, untold: renewal.isUntold ? this.#unopened : 0 };
    this.#isFresh = false;
    const next = afterConnection({ end, attempt: this.#attempt, openMs, backoff, ...(facts && { renewal: facts }) });
    if (next.kind === 'stop') {
      this.#stop(next.error);
      return;
    }
    this.#doubt = next.doubt;
    const { attempt, delayMs } = next;
    this.#wait({ attempt, delayMs, because: end.reason || `The connection was closed with ${end.code}.` });
  }

  #wait({ attempt, delayMs, because }: { attempt: number; delayMs: number; because: string }): void {
    this.#attempt = attempt;
    this.#retry = setTimeout(() => this.connect(), delayMs);
    this.#setState({ kind: 'waiting', attempt, delayMs, because });
  }

  #stop(error: ConnectionError): void {
    this.#attempt = 0;
    this.#setState({ kind: 'closed', error });
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}
