import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';

/** Of one connection. Browsers, proxies and libraries wait for each answer before they ask again. */
const MOST_UNANSWERED = 10;

/**
 * Ends a connection that asks on and on without waiting for answers. Node takes all requests that came in one piece at
 * once, thousands of them, and everybody else would wait meanwhile.
 */
export function boundPipeline(serve: RequestListener): RequestListener {
  const unanswered = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    // Of a connection that was just ended: the rest of the piece.
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
