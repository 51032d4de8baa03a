/** One session at once over a WebSocket, a feed, and a feed in another encoding: all get the same, however slow they are. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { beforeEach, expect, test } from '@jest/globals';
import WebSocket, { WebSocketServer } from 'ws';
import type { DeviceId } from '../../protocol/scalars.js';
import { SocketSink } from '../../routes/ws/socket-sink.js';
import { TickWriter } from '../../routes/ws/tick-writer.js';
import type { SessionFeed } from '../../services/delivery/feed/session-feed.js';
import type { Encoder, Frame, StreamSink } from '../../services/delivery/frames.js';
import type { OpenBlock } from '../../services/ports/claude.js';
import type { UserId } from '../../services/ports/records.js';
import { waitUntil } from '../support/wait-until.js';
import { owner, sessionId, useDeliveryStage } from './delivery-stage.js';

const KIB = 1024;

let written: OpenBlock[] = [];
beforeEach(() => {
  written = [];
});

const stage = useDeliveryStage({ openBlocks: () => written });

/** A message of so many pieces, with an event of its own at its end. */
async function speak(messageId: string, pieces: string[]): Promise<void> {
  const block = { messageId, blockIndex: 0, streamType: 'assistant_message' as const, text: '' };
  for (const text of pieces) {
    const { text: before, ...place } = written[0]?.messageId === messageId ? (written[0] as typeof block) : block;
    written = [{ ...place, text: before + text }];
    const content = { type: 'text' as const, text };
    const data = { sessionId, ...place, content, offset: before.length, isComplete: false };
    stage.say({ kind: 'frame', frame: { type: 'streamData', data } });
    await setImmediate();
  }
  written = [];
  const data = { type: 'assistant', messageId, blockIndex: 0, content: [{ type: 'text', text: pieces.join('') }] };
  await stage.commit({ type: 'assistantMessage', at: stage.head, messageId, data: JSON.stringify(data) });
}

interface Shown {
  type: string;
  seq?: number;
  data: { messageId: string; offset: number; content: { text: string } };
}

/** What a reader has: the data of its events by seq, and the text of each message as it was written. */
function collected(frames: readonly string[]) {
  const events: string[] = [];
  const texts = new Map<string, string>();
  for (const text of frames) {
    const { type, seq, data } = JSON.parse(text) as Shown;
    if (seq !== undefined) events.push(`${seq} ${text.slice(text.indexOf('"data":'))}`);
    if (type !== 'streamData') continue;
    const known = texts.get(data.messageId) ?? '';
    // A reader that was too slow for it begins again where it was; nothing is left out.
    expect(data.offset).toBeLessThanOrEqual(known.length);
    texts.set(data.messageId, known.slice(0, data.offset) + data.content.text);
  }
  return { events, texts };
}

class Feed implements StreamSink {
  readonly frames: string[] = [];
  readonly ended: unknown[] = [];
  unsent = 0;
  most = 0;
  lagging = false;
  feed: SessionFeed | undefined;
  readonly #encode: Encoder;
  readonly #decode: (bytes: Uint8Array) => string;

  constructor(encode: Encoder, decode: (bytes: Uint8Array) => string) {
    this.#encode = encode;
    this.#decode = decode;
  }

  async open(from?: { epoch: string; seq: number }, deltaIntervalMs = 0): Promise<SessionFeed> {
    const onEnd = (error?: unknown) => void this.ended.push(error);
    this.feed = stage.delivery.openFeed({ userId: owner, sessionId, from, deltaIntervalMs, sink: this, onEnd });
    this.feed.begin();
    return this.feed;
  }

  send(frame: Frame): void {
    const bytes = frame.encoded(this.#encode);
    this.frames.push(this.#decode(bytes));
    if (!this.lagging) return;
    this.unsent += bytes.length;
    this.most = Math.max(this.most, this.unsent);
  }

  /** A slow reader has taken all that it was sent. */
  take(): void {
    this.unsent = 0;
    this.feed?.drained();
  }
}

const eventStream: Encoder = (text) => Buffer.from(`data: ${text}\n\n`);
const ofEventStream = (bytes: Uint8Array) => Buffer.from(bytes).toString().slice('data: '.length, -2);
const lengthFirst: Encoder = (text) => Buffer.concat([Buffer.from(`${Buffer.byteLength(text)}:`), Buffer.from(text)]);
const ofLengthFirst = (bytes: Uint8Array) => {
  const text = Buffer.from(bytes).toString();
  const body = text.slice(text.indexOf(':') + 1);
  expect(Buffer.byteLength(body)).toBe(Number.parseInt(text, 10));
  return body;
};

/** A device on a real WebSocket. */
async function openSocket(): Promise<{ frames: string[]; client: WebSocket; close: () => Promise<void> }> {
  const server: Server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (webSocket, request) => {
    const socket = request.socket as Socket;
    const drained = { onDrained: () => connection.drained(), onTooSlow: () => webSocket.terminate() };
    const sink = new SocketSink({ webSocket, socket, writer: new TickWriter(), owner: drained });
    const device = { userId: owner, deviceId: 'phone' as DeviceId };
    const connection = stage.delivery.connect({ device, sink, owner: { onReplaced: () => {}, onError: () => {} } });
    const cursors = { [sessionId]: { epoch: stage.journal.epoch, seq: 0 } };
    connection.subscribe({ events: ['*'], cursors }).begin();
    webSocket.on('close', () => connection.close());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const frames: string[] = [];
  client.on('message', (bytes: Buffer) => frames.push(bytes.toString()));
  await once(client, 'open');
  const close = async () => {
    client.close();
    await once(client, 'close');
    sockets.close();
    server.close();
  };
  return { frames, client, close };
}

const hasAll = (frames: readonly string[]) =>
  frames.some((text) => text.includes(`"seq":${stage.head},"epoch"`) || text.includes(`"seq":${stage.head},`));

test('D1, D4, D5: gets what a WebSocket gets, byte for byte, in two encodings and under a slow reader', async () => {
  await speak('before', ['Said before ', 'anybody came. ', 'ä😀']);
  const socket = await openSocket();
  const feed = new Feed(eventStream, ofEventStream);
  const slow = new Feed(lengthFirst, ofLengthFirst);
  const start = await feed.open();
  await slow.open();
  expect(start.start).toEqual({ epoch: stage.journal.epoch, head: 1, first: 1, from: 0 });
  slow.lagging = true;
  socket.client.pause();
  const long = Array.from({ length: 60 }, (_, index) => `${index} `.repeat(3000));
  for (const name of ['one', 'two', 'three']) await speak(name, long);
  socket.client.resume();
  await waitUntil('the slow one has caught up', () => {
    slow.take();
    return hasAll(slow.frames);
  });
  slow.lagging = false;
  slow.take();
  await speak('last', ['And ', 'then?']);
  await waitUntil('all have all', () => [socket.frames, feed.frames, slow.frames].every(hasAll));
  const [first, ...others] = [socket.frames, feed.frames, slow.frames].map(collected);
  const whole = long.join('');
  expect(first?.events).toHaveLength(5);
  for (const other of others) expect(other.events).toEqual(first?.events);
  // One that keeps up has each text while it is written; the others have what they had room for, and all of the events.
  expect(
    ['one', 'two', 'three', 'last'].map(
      (name) => others[0]?.texts.get(name) === (name === 'last' ? 'And then?' : whole),
    ),
  ).toEqual([true, true, true, true]);
  expect(slow.most).toBeLessThan(600 * KIB);
  for (const { texts } of [first, ...others].flatMap((one) => one ?? [])) expect(texts.get('last')).toBe('And then?');
  start.close();
  expect(feed.ended).toEqual([undefined]);
  await socket.close();
});

test('D3: begins at the position of its reader, or with a reset when that position is gone', async () => {
  for (const name of ['one', 'two', 'three']) await speak(name, [name]);
  const later = new Feed(eventStream, ofEventStream);
  expect((await later.open({ epoch: stage.journal.epoch, seq: 2 })).start).toMatchObject({ from: 2, head: 3 });
  await waitUntil('it is live', () => later.frames.some((text) => text.includes('"caughtUp"')));
  expect(collected(later.frames).events.map((text) => text[0])).toEqual(['3']);
  const lost = new Feed(eventStream, ofEventStream);
  expect((await lost.open({ epoch: 'another', seq: 2 })).start).toMatchObject({ reset: 'epoch', from: 3 });
  await waitUntil('it is told', () => lost.frames.some((text) => text.includes('"type":"reset"')));
  await speak('four', ['four']);
  await waitUntil('it goes on', () => collected(lost.frames).events.length === 1);
});

/** A piece of a message, which may be its last. */
function say(messageId: string, { offset, text, isComplete }: { offset: number; text: string; isComplete: boolean }) {
  const place = { messageId, blockIndex: 0, streamType: 'assistant_message' as const };
  const data = { sessionId, ...place, content: { type: 'text' as const, text }, offset, isComplete };
  return { kind: 'frame' as const, frame: { type: 'streamData' as const, data } };
}

const messageOf = (messageId: string, text: string) => {
  const data = { type: 'assistant', messageId, blockIndex: 0, content: [{ type: 'text', text }] };
  return { type: 'assistantMessage' as const, at: stage.head, messageId, data: JSON.stringify(data) };
};

test('D5: has no hole in a text whose end comes with more than its reader could know of', async () => {
  const feed = new Feed(eventStream, ofEventStream);
  // The output of an adopted child is still being read again: nothing of it is known yet.
  await feed.open();
  stage.say(say('cut', { offset: 48, text: 'the rest.', isComplete: true }));
  await stage.commit(messageOf('cut', `${'.'.repeat(48)}the rest.`));
  await speak('next', ['And ', 'on.']);
  const { events, texts } = collected(feed.frames);
  expect(events.map((text) => text.split(' ')[0])).toEqual(['1', '2']);
  expect(texts.get('next')).toBe('And on.');
  // An end without an event, as that of a blank text.
  stage.say(say('blank', { offset: 2, text: '', isComplete: true }));
  await speak('last', ['Still here.']);
  expect(collected(feed.frames).events).toHaveLength(3);
  expect(feed.ended).toEqual([]);
});

test('D1: gets an event once that it caught up with while its text was held', async () => {
  const feed = new Feed(eventStream, ofEventStream);
  await feed.open(undefined, 60_000);
  const place = { messageId: 'held', blockIndex: 0, streamType: 'assistant_message' as const };
  stage.say(say('held', { offset: 0, text: 'One', isComplete: false }));
  written = [{ ...place, text: 'One, two, three.' }];
  stage.say(say('held', { offset: 8, text: ' three.', isComplete: false }));
  await stage.commit(messageOf('held', 'One, two, three.'));
  const { events, texts } = collected(feed.frames);
  expect(events.map((text) => text.split(' ')[0])).toEqual(['1']);
  expect(texts.get('held')).toMatch(/^One/);
});

test('ends when its session is forgotten, after all that was published', async () => {
  const feed = new Feed(eventStream, ofEventStream);
  await feed.open();
  await speak('one', ['one']);
  await stage.delivery.forgotten(sessionId);
  expect(collected(feed.frames).events).toHaveLength(1);
  expect(feed.ended).toEqual([undefined]);
});

test('S1: is not there for another person', async () => {
  const options = { userId: 'other' as UserId, sessionId, sink: new Feed(eventStream, ofEventStream), onEnd: () => {} };
  expect(() => stage.delivery.openFeed(options)).toThrow(expect.objectContaining({ code: 'SESSION_NOT_FOUND' }));
});
