/** What `ws` does by itself: the same text to every client with one `send` each. The reference of every fan-out. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { answerRequests } from './answer-requests.mjs';
import { publishTimed } from './publish-timed.mjs';

const HEARTBEAT_MS = 25_000;
/** A fan-out waits for readers from here on, as it would otherwise measure memory. */
const FULL_BYTES = 64 * 1024;

const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.isAlive = true;
  socket.on('pong', () => {
    socket.isAlive = true;
  });
  socket.on('error', () => {});
});
// The heartbeat of the package's own documentation.
setInterval(() => {
  for (const socket of server.clients) {
    if (!socket.isAlive) socket.terminate();
    socket.isAlive = false;
    socket.ping();
  }
}, HEARTBEAT_MS);

function sendAll(text) {
  for (const socket of server.clients) socket.send(text);
}

async function hasRoom() {
  for (const socket of server.clients) while (socket.bufferedAmount > FULL_BYTES) await setTimeout(1);
}

answerRequests({
  listen: async () => {
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return http.address().port;
  },
  /** As fast as they are taken. */
  flood: async ({ count, bytes }) => {
    const text = 'x'.repeat(bytes);
    for (let sent = 0; sent < count; sent += 1) {
      sendAll(text);
      await setImmediate();
      await hasRoom();
    }
  },
  pace: (load) => publishTimed(load, sendAll),
});
