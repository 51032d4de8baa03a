/** A client whose socket a test can look at. It checks no frame: for that there is `wire-client.ts`. */
import { once } from 'node:events';
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import WebSocket from 'ws';
import type { Daemon } from './daemon.js';
import { waitUntil } from './wait-until.js';

interface BareFrame {
  type: string;
  requestId: string | null;
  data: Record<string, unknown>;
}

export interface BareClient {
  readonly socket: WebSocket;
  readonly frames: BareFrame[];
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  send(type: string, data: object, requestId?: string): string;
  /** The first frame with this request id, that has come or will come. */
  answerTo(requestId: string): Promise<BareFrame>;
  count(type: string): number;
  /** Resolves when the daemon has read all that was sent, whatever of that waits there for its turn. */
  wasRead(): Promise<void>;
}

let requests = 0;

export async function openBare({ url }: Pick<Daemon, 'url'>, token: string): Promise<BareClient> {
  const headers = { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers, perMessageDeflate: false });
  const frames: BareFrame[] = [];
  socket.on('error', () => {});
  socket.on('message', (bytes: Buffer) => void frames.push(JSON.parse(bytes.toString()) as BareFrame));
  const find = (requestId: string) => frames.find((frame) => frame.requestId === requestId);
  const client: BareClient = {
    socket,
    frames,
    closed: new Promise((resolve) => void socket.once('close', resolve)),
    send: (type, data, requestId = `bare-${++requests}`) => {
      socket.send(JSON.stringify({ type, requestId, data }));
      return requestId;
    },
    answerTo: async (requestId) => {
      await waitUntil(`${requestId} is answered`, () => find(requestId) !== undefined);
      return find(requestId) as BareFrame;
    },
    count: (type) => frames.filter((frame) => frame.type === type).length,
    wasRead: async () => {
      const ponged = once(socket, 'pong');
      socket.ping();
      await ponged;
    },
  };
  await once(socket, 'open');
  await waitUntil('it is welcome', () => client.count('welcome') === 1);
  return client;
}

/** A WebSocket that answers nothing, no close either: the stream below it, once it is open. */
export async function openMute({ url }: Pick<Daemon, 'url'>, token: string): Promise<Duplex> {
  const outgoing = request(`${url}/ws`, {
    headers: {
      authorization: `Bearer ${token}`,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    },
  });
  outgoing.end();
  const [, stream] = (await once(outgoing, 'upgrade')) as [unknown, Duplex];
  stream.on('error', () => {});
  stream.resume();
  return stream;
}
