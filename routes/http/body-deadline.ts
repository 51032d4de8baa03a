import type { IncomingMessage } from 'node:http';

const PATIENCE_MS = 10_000;

/**
 * The rest of a request must arrive soon, or its connection ends: that of an unknown client, and all that follows the
 * answer. Node reads the rest of every body before it completes a request, even an unneeded one.
 */
export function setBodyDeadline(request: IncomingMessage): void {
  if (request.complete) return;
  setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, PATIENCE_MS).unref();
}
