/** The sink of a compressed connection on real sockets, without the daemon around it. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turnOfOthers } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import WebSocket, { WebSocketServer } from 'ws';
import { CompressedSink, PER_MESSAGE_DEFLATE } from '../../routes/ws/compressed-sink.js';
import { TickWriter } from '../../routes/ws/tick-writer.js';
import { Frame } from '../../services/delivery/frames.js';
import { waitUntil } from '../support/wait-until.js';

const KIB = 1024;

let server: Server;
let client: WebSocket;
let peer: WebSocket;
let socket: Socket;
let sink: CompressedSink;
let received: string[];
let drained: number;
let writes: number;

beforeEach(async () => {
  server = createServer();
  const upgrades = new WebSocketServer({ server, perMessageDeflate: PER_MESSAGE_DEFLATE });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connected = once(upgrades, 'connection');
  client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  received = [];
  client.on('message', (bytes: Buffer) => received.push(bytes.toString()));
  const [webSocket, request] = (await connected) as [WebSocket, { socket: Socket }];
  await once(client, 'open');
  peer = webSocket;
  socket = request.socket;
  [drained, writes] = [0, 0];
  const owner = {
    onDrained: () => {
      drained += 1;
    },
    onTooSlow: () => peer.terminate(),
  };
  sink = new CompressedSink({ webSocket: peer, socket, writer: new TickWriter(), owner });
  const write = socket.write.bind(socket);
  socket.write = ((...given: Parameters<typeof write>) => {
    writes += 1;
    return write(...given);
  }) as typeof socket.write;
});

afterEach(async () => {
  client.terminate();
  peer.terminate();
  await new Promise((resolve) => server.close(resolve));
});

const send = (text: string) => sink.send(new Frame(() => text));
/** Text that does not become smaller than three quarters. */
const noise = (bytes: number) => randomBytes(Math.ceil((bytes * 3) / 4)).toString('base64');

test('frames of one tick leave in one write, and what is larger than a slice leaves the loop to others', async () => {
  const small = Array.from({ length: 50 }, (_, index) => `{"type":"streamData","index":${index}}`);
  for (const text of small) send(text);
  await waitUntil('all are received', () => received.length === small.length);
  expect(received).toEqual(small);
  expect(writes).toBe(1);
  const large = Array.from({ length: 8 }, (_, index) => `${index}${noise(60 * KIB)}`);
  writes = 0;
  for (const text of large) send(text);
  await turnOfOthers();
  expect(sink.unsent).toBeGreaterThan(large.length * 50 * KIB);
  await waitUntil('all are received', () => received.length === small.length + large.length);
  expect(received.slice(small.length)).toEqual(large);
  expect(writes).toBeGreaterThan(4);
});

test('D5: a producer that paused hears that all is sent, even when the last bytes fill no buffer', async () => {
  client.pause();
  let sent = 0;
  // Until the kernel takes no more, in pieces that do not fill the socket's buffer.
  for (; socket.writableLength === 0; sent += 1) {
    send(noise(socket.writableHighWaterMark / 4));
    await turnOfOthers();
  }
  const text = 'the same words again and again; '.repeat(1900);
  for (let frame = 0; frame < 5; frame += 1, sent += 1) send(text);
  expect(sink.unsent).toBeGreaterThan(256 * KIB);
  await waitUntil('all is compressed', () => sink.unsent === socket.writableLength);
  expect(socket.writableNeedDrain).toBe(false);
  drained = 0;
  client.resume();
  await waitUntil('all are received', () => received.length === sent);
  await waitUntil('the producer hears of it', () => drained > 0);
  expect(sink.unsent).toBe(0);
});

test('a ping and the close keep their places between frames', async () => {
  const order: string[] = [];
  client.on('ping', (id: Buffer) => order.push(`ping ${id.toString()}`));
  client.on('message', (bytes: Buffer) => order.push(bytes.toString().slice(0, 5)));
  client.on('close', (code: number) => order.push(`close ${code}`));
  send(`first${noise(100 * KIB)}`);
  sink.confirm(7);
  send('later');
  sink.close(4000, 'enough');
  await once(client, 'close');
  expect(order).toEqual(['first', 'ping 7', 'later', 'close 4000']);
});
