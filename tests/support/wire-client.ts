/** A client that does nothing by itself: it sends what a test says and keeps every frame in the order of arrival. */
import { once } from 'node:events';
import WebSocket from 'ws';
import type { ClientFrameType, ClientInput } from '../../protocol/client-frames.js';
import { EVENTS, type EventType } from '../../protocol/events.js';
import { ANSWERS, POSITIONED, type ServerEnvelope, serverEnvelopeSchema } from '../../protocol/server-frames.js';
import { type Daemon, TOKEN } from './daemon.js';

/** The fields that tests use most, as the schemas have them; each frame has some of them. */
export interface FrameData {
  sessionId: string;
  promptId: string;
  permissionId: string;
  messageId: string;
  toolId: string;
  status: string;
  subtype: string;
  streamType: string;
  code: string;
  blockIndex: number;
  offset: number;
  seq: number;
  content: { type: string; text: string } & { type: string; text: string }[];
  [field: string]: unknown;
}

export type Frame = Omit<ServerEnvelope, 'data'> & { data: FrameData };

type Matcher = string | ((frame: Frame) => boolean);

export interface WireClient {
  readonly frames: Frame[];
  readonly deviceId: string;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  send<T extends ClientFrameType>(type: T, data: ClientInput<T>, requestId?: string): string;
  /** `binary: false` sends a buffer as text, `fin: false` leaves the frame open for more. */
  sendRaw(text: string | Buffer, options?: { binary?: boolean; fin?: boolean }): void;
  /** Sends and waits for the one frame with its request id. */
  request<T extends ClientFrameType>(type: T, data: ClientInput<T>, requestId?: string): Promise<Frame>;
  /** The first frame that matches, among those that have come or will come, from `from` on. */
  waitFor(matcher: Matcher, from?: number): Promise<Frame>;
  /** Durable events of a session that have come. */
  events(sessionId?: string): Frame[];
  pause(): void;
  resume(): void;
  close(): Promise<void>;
  terminate(): void;
}

/** Without any frame: a megabyte takes a busy machine as long as it takes. */
const SILENCE_MS = 30_000;
let requests = 0;

export interface ConnectOptions {
  deviceId?: string;
  headers?: Record<string, string>;
  /** PEM of the only certificate to be trusted, for a `https` URL. */
  ca?: string;
  /** Told of every frame as it comes. */
  onFrame?: (frame: Frame) => void;
}

export async function connect(daemon: Pick<Daemon, 'url'>, options: ConnectOptions = {}): Promise<WireClient> {
  const query = options.deviceId === undefined ? '' : `?deviceId=${options.deviceId}`;
  const socket = new WebSocket(`${daemon.url.replace('http', 'ws')}/ws${query}`, {
    headers: { authorization: `Bearer ${TOKEN}`, ...options.headers },
    ...(options.ca !== undefined && { ca: options.ca }),
    // As the app on a phone: what is sent takes as many bytes as it has.
    perMessageDeflate: false,
  });
  const client = attach(socket, options.onFrame);
  await once(socket, 'open');
  const welcome = await client.waitFor('welcome');
  return Object.assign(client, { deviceId: String(welcome.data.deviceId) });
}

function attach(socket: WebSocket, onFrame?: (frame: Frame) => void): WireClient {
  const frames: Frame[] = [];
  const waiting = new Set<() => void>();
  let isClosed = false;
  const closed = new Promise<number>((resolve) => {
    socket.once('close', (code) => {
      isClosed = true;
      for (const look of waiting) look();
      resolve(code);
    });
  });
  // Of a daemon that was killed; `close` follows.
  socket.on('error', () => {});
  socket.on('message', (bytes: Buffer) => {
    const frame = checked(bytes.toString());
    frames.push(frame);
    onFrame?.(frame);
    for (const look of waiting) look();
  });
  const client: WireClient = {
    frames,
    deviceId: '',
    closed,
    send: (type, data, requestId = newRequestId()) => {
      socket.send(JSON.stringify({ type, requestId, timestamp: new Date().toISOString(), data }));
      return requestId;
    },
    sendRaw: (text, options = {}) => socket.send(text, options),
    request: (type, data, requestId) => {
      const from = frames.length;
      const id = client.send(type, data, requestId);
      return client.waitFor((frame) => frame.requestId === id, from);
    },
    waitFor: (matcher, from = 0) =>
      new Promise((resolve, reject) => {
        const matches = typeof matcher === 'string' ? (frame: Frame) => frame.type === matcher : matcher;
        const fail = (why: string) => {
          clearTimeout(timer);
          waiting.delete(look);
          const last = frames.slice(-15).map((frame) => JSON.stringify(frame).slice(0, 300));
          reject(new Error(`${why} matched ${matcher.toString()}; the last ones:\n${last.join('\n')}`));
        };
        const timer = setTimeout(() => fail('no frame'), SILENCE_MS);
        let seen = from;
        const look = () => {
          timer.refresh();
          const found = frames.slice(seen).find(matches);
          seen = frames.length;
          if (!found) {
            if (isClosed) fail('the connection was closed before a frame');
            return;
          }
          clearTimeout(timer);
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    events: (sessionId) =>
      frames.filter((frame) => frame.seq !== undefined && (sessionId === undefined || frame.sessionId === sessionId)),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: async () => {
      socket.close();
      await closed;
    },
    terminate: () => socket.terminate(),
  };
  return client;
}

function newRequestId(): string {
  requests += 1;
  return `request-${process.pid}-${requests}`;
}

/** Made once: a schema compiles itself at its first use. */
const ENVELOPE = serverEnvelopeSchema.loose();

/** Every frame of the daemon must fit its schema, whatever a test is about. */
function checked(text: string): Frame {
  const frame = ENVELOPE.parse(JSON.parse(text));
  const schema = schemaOf(frame);
  const parsed = schema?.safeParse(frame.data);
  if (parsed && !parsed.success) throw new Error(`${frame.type} breaks its schema: ${parsed.error.message}\n${text}`);
  if (!schema) throw new Error(`unknown frame type ${frame.type}`);
  return frame as Frame;
}

function schemaOf({ type, seq }: ServerEnvelope) {
  const isEvent = (name: string): name is EventType => Object.hasOwn(EVENTS, name);
  if (seq !== undefined) return isEvent(type) ? EVENTS[type] : undefined;
  if (Object.hasOwn(ANSWERS, type)) return ANSWERS[type as keyof typeof ANSWERS];
  if (Object.hasOwn(POSITIONED, type)) return POSITIONED[type as keyof typeof POSITIONED];
  return isEvent(type) ? EVENTS[type] : undefined;
}
