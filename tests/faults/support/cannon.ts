/** A connection that sends frames by the thousand and counts what comes back. */
import { once } from 'node:events';
import WebSocket from 'ws';
import { ANSWERS } from '../../../protocol/server-frames.js';
import { TOKEN } from '../../support/daemon.js';
import type { SentFrame } from './malformed-frames.js';

/** How often each request id was answered; `null` for answers without one. */
export type Answered = Map<string | null, number>;

export interface Cannon {
  /** Sends the frames; resolves with the answers when there are as many as frames. */
  fire(frames: readonly SentFrame[]): Promise<Answered>;
  close(): Promise<void>;
}

export async function createCannon(url: string, deviceId: string): Promise<Cannon> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws?deviceId=${deviceId}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  let answered: Answered = new Map();
  let missing = 0;
  let settle: { resolve: () => void; reject: (error: Error) => void } = { resolve: () => {}, reject: () => {} };
  socket.on('message', (bytes: Buffer) => {
    const frame = JSON.parse(bytes.toString('utf8')) as { type: string; requestId: string | null; seq?: number };
    if (!isAnswer(frame)) return;
    answered.set(frame.requestId, (answered.get(frame.requestId) ?? 0) + 1);
    missing -= 1;
    if (missing <= 0) settle.resolve();
  });
  socket.on('close', (code) => settle.reject(new Error(`the connection was closed with ${code}`)));
  await once(socket, 'open');
  return {
    fire: (frames) => {
      answered = new Map();
      missing = frames.length;
      const all = new Promise<void>((resolve, reject) => {
        settle = { resolve, reject };
      });
      for (const frame of frames) send(socket, frame);
      return all.then(() => answered);
    },
    close: async () => {
      settle = { resolve: () => {}, reject: () => {} };
      socket.close();
      await once(socket, 'close');
    },
  };
}

/** Answers to nobody's question. */
const UNASKED: ReadonlySet<string> = new Set(['welcome', 'reset', 'caughtUp', 'conversationResult']);

const isAnswer = ({ type, seq }: { type: string; seq?: number }) =>
  seq === undefined && !UNASKED.has(type) && Object.hasOwn(ANSWERS, type);

function send(socket: WebSocket, { bytes, binary, fragmented }: SentFrame): void {
  if (!fragmented) {
    socket.send(bytes, { binary });
    return;
  }
  const half = Math.floor(bytes.length / 2);
  socket.send(bytes.subarray(0, half), { binary, fin: false });
  socket.send(bytes.subarray(half), { binary, fin: true });
}
