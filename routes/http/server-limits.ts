import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

/** Per connection. Browsers, proxies and libraries wait for each answer before the next request. */
const MOST_UNANSWERED = 10;

/**
 * Ends a connection that sends many requests without waiting for answers. Node handles all requests of one chunk at
 * once, thousands of them, and all other clients would wait meanwhile.
 */
export function boundPipeline(serve: RequestListener): RequestListener {
  const unanswered = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    // The rest of the chunk of a connection that was just ended.
    if (socket.destroyed) return;
    const count = (unanswered.get(socket) ?? 0) + 1;
    if (count > MOST_UNANSWERED) {
      socket.destroy();
      return;
    }
    unanswered.set(socket, count);
    response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    serve(request, response);
  };
}

/** The headers of an offer to change protocols. */
const OFFER = new Set(['upgrade', 'connection', 'http2-settings']);

/** Whether a request asks for a WebSocket, alone or among other protocols. */
export const asksForWebSocket = ({ headers }: IncomingMessage): boolean =>
  /(^|[\s,])websocket($|[\s,/])/i.test(headers.upgrade ?? '');

/**
 * Serves a request that offers another protocol than WebSockets as if it offered none (RFC 9110, section 7.8): clients
 * that prefer `h2c` offer it with every request. Node has parsed only the head and detached from the connection, so the
 * head is put back without the offer, and the connection is handled as a new one.
 */
export function ignoreUpgrade(
  server: Server,
  { request, stream, head }: { request: IncomingMessage; stream: Duplex; head: Buffer },
): void {
  const { method = 'GET', url = '/', httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (!OFFER.has(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[at + 1]}`);
  }
  lines.push('Connection: close');
  stream.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit(stream instanceof TLSSocket ? 'secureConnection' : 'connection', stream);
}
