import type { IncomingMessage } from 'node:http';

const PATIENCE_MS = 10_000;

/**
 * What is still to come of a request has to come soon, or its connection ends: that of a stranger, and what comes after
 * the answer. Node reads the rest of every body before it is done with a request, whether anybody wants it or not.
 */
export function setBodyDeadline(request: IncomingMessage): void {
  if (request.complete) return;
  setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, PATIENCE_MS).unref();
}
