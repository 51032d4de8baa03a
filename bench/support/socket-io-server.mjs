/** What socket.io does by itself, over WebSocket alone. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Server } from 'socket.io';
import { answerRequests } from './answer-requests.mjs';
import { publishTimed } from './publish-timed.mjs';

const http = createServer();
const io = new Server(http, { transports: ['websocket'] });
/** Packets that a client has not been given, from which on a fan-out waits for readers. */
const FULL_PACKETS = 16;

async function hasRoom() {
  for (const { conn } of io.of('/').sockets.values()) {
    while (conn.writeBuffer.length > FULL_PACKETS) await setTimeout(1);
  }
}

answerRequests({
  listen: async () => {
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return http.address().port;
  },
  flood: async ({ count, bytes }) => {
    const text = 'x'.repeat(bytes);
    for (let sent = 0; sent < count; sent += 1) {
      io.emit('m', text);
      await setImmediate();
      await hasRoom();
    }
  },
  pace: (load) => publishTimed(load, (text) => io.emit('m', text)),
});
