import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';

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
