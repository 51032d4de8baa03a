/** A server that says exactly what a test tells it to, however wrong that is. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ClientFrameType, ClientInput } from '../../../protocol/client-frames.js';
import type { EventType } from '../../../protocol/events.js';
import type { ResumedSession } from '../../../protocol/server-frames.js';
import { until } from './until.js';

export interface ReceivedFrame<T extends ClientFrameType = ClientFrameType> {
  type: T;
  requestId: string;
  data: ClientInput<T>;
}

interface WelcomeParts {
  deviceId?: string;
  epoch?: string;
  heartbeatMs?: number;
  resumed?: ResumedSession[];
}

interface EventParts {
  sessionId?: string;
  epoch?: string;
  type?: EventType;
  data?: object;
  replayed?: boolean;
}

const now = () => new Date().toISOString();

/** One connection of a client. Frames are taken in the order in which they came, each once. */
export class RoughConnection {
  readonly request: IncomingMessage;
  readonly received: ReceivedFrame[] = [];
  readonly #socket: WebSocket;
  closed: { code: number } | undefined;

  constructor(socket: WebSocket, request: IncomingMessage) {
    this.request = request;
    this.#socket = socket;
    socket.on('message', (data) => this.received.push(JSON.parse((data as Buffer).toString()) as ReceivedFrame));
    socket.on('close', (code) => {
      this.closed = { code };
    });
  }

  /** The next frame of this type. */
  async take<T extends ClientFrameType>(type: T): Promise<ReceivedFrame<T>> {
    const find = () => this.received.findIndex((frame) => frame.type === type);
    await until(`${type} came`, () => find() >= 0);
    const [frame] = this.received.splice(find(), 1);
    return frame as ReceivedFrame<T>;
  }

  raw(text: string): void {
    this.#socket.send(text);
  }

  frame(type: string, data: object, around: object = {}): void {
    this.raw(JSON.stringify({ type, requestId: null, timestamp: now(), data, ...around }));
  }

  welcome({ deviceId = 'device-1', epoch = 'e1', heartbeatMs = 25_000, resumed = [] }: WelcomeParts = {}): void {
    const versions = { serverVersion: '1.0.0', protocol: 1, capabilities: [] };
    this.frame('welcome', { clientId: 'c', deviceId, ...versions, maxSessions: 8, epoch, heartbeatMs, resumed });
  }

  answer({ requestId }: ReceivedFrame, type: string, data: object): void {
    this.frame(type, data, { requestId });
  }

  subscribed(request: ReceivedFrame<'subscribe'>, sessions: ResumedSession[] = []): void {
    const { events, sessionIds = [] } = request.data;
    this.answer(request, 'subscribed', { events, sessionIds, success: true, sessions });
  }

  /** A durable event; `streamComplete` whose result is `result <seq>` unless told. */
  event(
    seq: number,
    { sessionId = 's', epoch = 'e1', type = 'streamComplete', data, replayed }: EventParts = {},
  ): void {
    const marks = replayed ? { _queued: true, _queuedAt: now(), _originalTimestamp: now() } : {};
    this.frame(type, data ?? completion(sessionId, seq), { sessionId, seq, epoch, ...marks });
  }

  caughtUp(seq: number, sessionId = 's'): void {
    this.frame('caughtUp', { sessionId, seq });
  }

  reset({ head, epoch = 'e1', sessionId = 's' }: { head: number; epoch?: string; sessionId?: string }): void {
    const snapshot = { status: idle(sessionId), messages: [], permissions: [] };
    this.frame('reset', { sessionId, epoch, head, reason: 'epoch', snapshot });
  }

  close(code: number): void {
    this.#socket.close(code);
  }

  /** Breaks the connection without a word. */
  break(): void {
    this.#socket.terminate();
  }

  /** A heartbeat. */
  pingSocket(): void {
    this.#socket.ping();
  }

  /** Takes nothing more from the network: what comes is not answered, a ping neither. */
  freeze(): void {
    this.#socket.pause();
  }
}

const completion = (sessionId: string, seq: number) => ({
  sessionId,
  finalResult: `result ${seq}`,
  subtype: 'success',
  isError: false,
  duration: 5,
  numTurns: 1,
});

export const idle = (sessionId: string) => ({
  sessionId,
  status: 'idle',
  lastActivity: now(),
  messageCount: 0,
  queueDepth: 0,
});

export interface RoughServer {
  url: string;
  connections: RoughConnection[];
  /** Upgrades are answered with this HTTP status from now on; 0 accepts them. */
  refuseWith(status: number): void;
  /** The nth connection, from 1, as soon as it is there. */
  connection(nth: number): Promise<RoughConnection>;
  /** Sockets that are open at the server's end. */
  sockets(): Promise<number>;
  close(): Promise<void>;
}

/** `onRequest` answers what is not a WebSocket. */
export async function startRoughServer(
  listen: ListenOptions = { port: 0, host: '127.0.0.1' },
  onRequest?: RequestListener,
): Promise<RoughServer> {
  const http = createServer(onRequest);
  const connections: RoughConnection[] = [];
  let refusal = 0;
  const sockets = new WebSocketServer({
    server: http,
    verifyClient: (_info, done) => done(refusal === 0, refusal === 0 ? undefined : refusal),
  });
  sockets.on('connection', (socket, request) => connections.push(new RoughConnection(socket, request)));
  await new Promise<void>((resolve) => http.listen(listen, resolve));
  return {
    url: listen.path === undefined ? `ws://127.0.0.1:${(http.address() as AddressInfo).port}/ws` : '',
    connections,
    refuseWith: (status) => {
      refusal = status;
    },
    connection: async (nth) => {
      await until(`connection ${nth} was there`, () => connections.length >= nth);
      return connections[nth - 1] as RoughConnection;
    },
    sockets: () =>
      new Promise((resolve, reject) => http.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
    close: async () => {
      for (const connection of connections) connection.break();
      sockets.close();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
