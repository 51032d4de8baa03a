import { connect } from 'node:net';
import { WebSocket } from 'ws';
import type { ClientSocket, SocketListener } from './client-socket.js';

export interface NodeSocketOptions {
  url: string;
  /** Connects to this unix socket, whatever host the URL names. */
  socketPath?: string;
  token?: string;
  listener: SocketListener;
}

const CLOSE_TIMEOUT_MS = 1_000;

/** Opens a socket of the `ws` package. The token is sent in the `Authorization` header. */
export function openNodeSocket({ url, socketPath, token, listener }: NodeSocketOptions): ClientSocket {
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    // The ws+unix: scheme does not support a path with a colon or a space.
    ...(socketPath !== undefined && { createConnection: () => connect(socketPath) }),
    ...CLOSING,
  });
  let httpStatus: number | undefined;
  let problem = '';
  socket.on('message', (data, isBinary) => {
    if (!isBinary) listener.onText((data as Buffer).toString());
  });
  socket.on('ping', () => listener.onPing());
  socket.on('unexpected-response', (_request, response) => {
    httpStatus = response.statusCode;
    socket.terminate();
  });
  socket.on('error', (error) => {
    problem = error.message;
  });
  socket.on('close', (code, reason) => {
    listener.onEnd({ code, reason: reason.toString() || problem, ...(httpStatus !== undefined && { httpStatus }) });
  });
  return { send: (text) => socket.send(text), close: () => socket.close(1000), drop: () => socket.terminate() };
}

/** Supported by ws since 8.19, but missing in its types. */
const CLOSING = { closeTimeout: CLOSE_TIMEOUT_MS };
