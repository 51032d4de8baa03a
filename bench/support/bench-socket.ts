import { once } from 'node:events';
import type { Socket } from 'node:net';
import WebSocket from 'ws';
import type { ClientFrameType, ClientInput } from '../../protocol/client-frames.js';
import { type Daemon, TOKEN } from '../../tests/support/daemon.js';
import { now } from './clock.js';

/** A client that looks at a frame's text only: what it costs itself is part of every figure. */
export interface BenchSocket {
  send<T extends ClientFrameType>(type: T, data: ClientInput<T>): void;
  /** Called with each frame and when it came; returns what ends that. */
  listen(listener: (frame: string, at: number) => void): () => void;
  /** Bytes that have come, as they were on the wire. */
  bytes(): number;
  close(): Promise<void>;
}

let requests = 0;

export async function openBenchSocket(
  { url }: Pick<Daemon, 'url'>,
  { isCompressed = false } = {},
): Promise<BenchSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, {
    headers: { authorization: `Bearer ${TOKEN}` },
    perMessageDeflate: isCompressed,
  });
  const listeners = new Set<(frame: string, at: number) => void>();
  let cameAt = 0;
  let stream: Socket | undefined;
  socket.once('upgrade', (response) => {
    stream = response.socket;
  });
  // Ahead of the listener of `ws`, which is there by now.
  socket.once('open', () => stream?.prependListener('data', () => (cameAt = now())));
  socket.on('message', (bytes: Buffer) => {
    // `ws` inflates in the thread pool of this process: that time is the client's own.
    const at = isCompressed ? cameAt : now();
    const frame = bytes.toString();
    for (const listener of listeners) listener(frame, at);
  });
  await once(socket, 'message');
  return {
    send: (type, data) => {
      requests += 1;
      const frame = { type, requestId: `bench-${requests}`, timestamp: new Date().toISOString(), data };
      socket.send(JSON.stringify(frame));
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    bytes: () => stream?.bytesRead ?? 0,
    close: async () => {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}

/** What these frames begin with: the daemon writes `type` first. */
export const isFrame = (frame: string, type: string): boolean => frame.startsWith(`{"type":"${type}"`);

export const dataOf = <T>(frame: string): T => (JSON.parse(frame) as { data: T }).data;
