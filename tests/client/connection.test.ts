import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { type CompanionClientOptions, createCompanionClient } from '../../client/index.js';
import { startRoughServer } from './support/rough-server.js';
import { createRoughStage, listenTo } from './support/rough-stage.js';
import { openTimerLedger } from './support/timer-ledger.js';
import { until } from './support/until.js';

const stage = createRoughStage();

describe('connecting', () => {
  test('gives the token in the Authorization header, and keeps it out of the address', async () => {
    const server = await stage.server();
    stage.client(server, { token: 'secret-token', deviceId: 'laptop' });
    const { request } = await server.connection(1);
    expect(request.headers.authorization).toBe('Bearer secret-token');
    expect(request.url).toBe('/ws?deviceId=laptop');
  });

  test('gives the token in a subprotocol where headers cannot be set', async () => {
    const server = await stage.server();
    const { client } = stage.client(server, { token: 'töken?>', webSocket: WebSocket });
    const connection = await server.connection(1);
    const protocols = connection.request.headers['sec-websocket-protocol']?.split(',') ?? [];
    expect(protocols).toEqual(['companion.v1', `companion.bearer.${Buffer.from('töken?>').toString('base64url')}`]);
    connection.welcome();
    await until('the client is open', () => client.state.kind === 'open');
    await Promise.all([client.ping(), connection.take('ping').then((ping) => connection.answer(ping, 'pong', pong))]);
  });

  test('reaches a unix socket whose path has spaces and colons in it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'a b:c-'));
    const socketPath = join(folder, 'daemon.sock');
    const server = await startRoughServer({ path: socketPath });
    stage.keep({ close: () => server.close().then(() => rm(folder, { recursive: true })) });
    const { client } = listenTo(createCompanionClient({ socketPath }));
    stage.keep(client);
    (await server.connection(1)).welcome();
    await until('the client is open', () => client.state.kind === 'open');
  });

  test('keeps the device id that the daemon gave', async () => {
    const server = await stage.server();
    const { client } = stage.client(server);
    const first = await server.connection(1);
    expect(first.request.url).toBe('/ws');
    first.welcome({ deviceId: 'given' });
    await until('the client is open', () => client.state.kind === 'open');
    first.break();
    expect((await server.connection(2)).request.url).toBe('/ws?deviceId=given');
    expect(client.deviceId).toBe('given');
  });

  test.each<[string, object]>([
    ['url', { url: 'http://127.0.0.1/ws' }],
    ['url', {}],
    ['deviceId', { url: 'ws://127.0.0.1/ws', deviceId: 'no spaces' }],
    ['socketPath', { socketPath: '/x', webSocket: WebSocket }],
  ])('an option that cannot be is named: %s in %j', (field, options) => {
    expect(() => createCompanionClient(options as CompanionClientOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', details: expect.objectContaining({ field }) as unknown }),
    );
  });

  test('goes through its states in order', async () => {
    const server = await stage.server();
    const { client, told } = stage.client(server);
    (await server.connection(1)).welcome();
    await until('the client is open', () => client.state.kind === 'open');
    server.connections[0]?.break();
    await server.connection(2);
    await client.close();
    expect(told.states.map(({ kind }) => kind)).toEqual(['connecting', 'open', 'waiting', 'connecting', 'closed']);
    expect(client.state).toMatchObject({ kind: 'closed', error: { reason: 'closed' } });
  });
});

const pong = { serverTime: '2025-01-01T00:00:00.000Z' };

describe('reconnecting', () => {
  test.each([1012, 1001])('comes back at once after %d', async (code) => {
    const server = await stage.server();
    const { told } = stage.client(server, { reconnect: { minMs: 600_000, maxMs: 600_000 } });
    const first = await server.connection(1);
    first.welcome();
    first.close(code);
    await server.connection(2);
    expect(told.states).toContainEqual(expect.objectContaining({ kind: 'waiting', delayMs: 0 }));
  });

  test.each([
    [4409, 'replaced'],
    [1008, 'revoked'],
  ])('does not come back by itself after %d, and can be told to', async (code, reason) => {
    const server = await stage.server();
    const { client } = stage.client(server);
    const first = await server.connection(1);
    first.welcome();
    first.close(code);
    await until('the client has given up', () => client.state.kind === 'closed');
    expect(client.state).toMatchObject({ error: { reason } });
    await expect(client.ping()).rejects.toMatchObject({ name: 'ConnectionError', reason });
    expect(server.connections).toHaveLength(1);
    client.reconnect();
    (await server.connection(2)).welcome();
    await until('the client is open', () => client.state.kind === 'open');
  });

  test('does not come back by itself when its credential is not taken', async () => {
    const server = await stage.server();
    server.refuseWith(401);
    const { client, told } = stage.client(server);
    const waiting = client.ping();
    await expect(waiting).rejects.toMatchObject({ reason: 'unauthorized' });
    expect(told.states.map(({ kind }) => kind)).toEqual(['connecting', 'closed']);
  });

  test('goes on trying while a proxy says that the daemon is away', async () => {
    const server = await stage.server();
    server.refuseWith(502);
    const { told } = stage.client(server);
    await until('it has tried three times', () => told.states.filter(({ kind }) => kind === 'waiting').length >= 3);
    server.refuseWith(0);
    await server.connection(1);
  });

  test('notices that the other end has gone without a word', async () => {
    const server = await stage.server();
    stage.client(server);
    const first = await server.connection(1);
    first.welcome({ heartbeatMs: 20 });
    expect(await first.take('ping')).toBeDefined();
    first.freeze();
    await server.connection(2);
  });

  test('stays with a daemon that answers when it is asked for a sign of life', async () => {
    const server = await stage.server();
    const { told } = stage.client(server);
    const first = await server.connection(1);
    first.welcome({ heartbeatMs: 100 });
    for (let nth = 0; nth < 3; nth += 1) first.answer(await first.take('ping'), 'pong', pong);
    expect(told.states.map(({ kind }) => kind)).toEqual(['connecting', 'open']);
  });

  test('gives up a connection that brings no welcome', async () => {
    const server = await stage.server();
    stage.client(server, { timeoutMs: 20 });
    await server.connection(2);
  });

  test('a daemon that pings is not asked for signs of life', async () => {
    const server = await stage.server();
    const { client, told } = stage.client(server);
    const first = await server.connection(1);
    first.welcome({ heartbeatMs: 400 });
    const start = performance.now();
    await until('several heartbeats have passed', () => {
      first.pingSocket();
      return performance.now() - start > 1_000;
    });
    expect(first.received).toEqual([]);
    expect(told.states.at(-1)).toBe(client.state);
  });
});

describe('closing', () => {
  let timers: ReturnType<typeof openTimerLedger>;
  beforeEach(() => {
    timers = openTimerLedger();
  });
  afterEach(() => timers.close());

  const ready = async (options: Partial<CompanionClientOptions> = {}) => {
    const server = await stage.server();
    const slow = { minMs: 600_000, maxMs: 600_000 };
    const staged = listenTo(createCompanionClient({ reconnect: slow, ...options, url: server.url } as never));
    const nothingIsLeft = async () => {
      expect(timers.live()).toBe(0);
      while ((await server.sockets()) > 0) await setImmediate();
    };
    return { server, nothingIsLeft, ...staged };
  };

  test('leaves no timer and no socket while open, with requests under way and acks due', async () => {
    const { server, nothingIsLeft, client, told } = await ready();
    const first = await server.connection(1);
    first.welcome();
    first.event(1);
    await until('the event is there', () => told.events.length === 1);
    const request = client.ping();
    expect(timers.live()).toBeGreaterThan(1);
    await Promise.all([expect(request).rejects.toMatchObject({ reason: 'closed' }), client.close()]);
    await nothingIsLeft();
    await until('the server has seen it go', () => first.closed !== undefined);
    expect(first.closed?.code).toBe(1000);
    await expect(client.ping()).rejects.toMatchObject({ reason: 'closed' });
  });

  test('leaves nothing while it waits for the next try', async () => {
    const { server, nothingIsLeft, client } = await ready();
    (await server.connection(1)).break();
    await until('the client waits', () => client.state.kind === 'waiting');
    const closed = client.close();
    expect(client.state.kind).toBe('closed');
    await closed;
    await nothingIsLeft();
  });

  test('leaves nothing while it waits for the welcome', async () => {
    const { server, nothingIsLeft, client } = await ready();
    await server.connection(1);
    await client.close();
    await nothingIsLeft();
  });

  test('leaves nothing before it was ever connected', async () => {
    const { server, nothingIsLeft, client } = await ready();
    await client.close();
    client.reconnect();
    expect(client.state.kind).toBe('closed');
    await nothingIsLeft();
    expect(server.connections).toEqual([]);
  });

  test('leaves nothing after the daemon has refused it', async () => {
    const { server, nothingIsLeft, client } = await ready();
    const first = await server.connection(1);
    first.welcome();
    first.close(4409);
    await until('the client has given up', () => client.state.kind === 'closed');
    await nothingIsLeft();
    await client.close();
    await nothingIsLeft();
  });

  test.each([
    ['the ws package', {}],
    ['a standard WebSocket', { webSocket: WebSocket }],
  ])('waits no longer than a moment for a goodbye, with %s', async (_name, options) => {
    const { server, client } = await ready(options);
    const first = await server.connection(1);
    first.welcome();
    await until('the client is open', () => client.state.kind === 'open');
    first.freeze();
    await client.close();
    // The standard socket is left to end by itself, with a timer of its own.
    expect(timers.live()).toBe('webSocket' in options ? 1 : 0);
  });

  test('waits until what was handed over is saved and acknowledged', async () => {
    let save: () => void = () => undefined;
    const saved = new Promise<void>((resolve) => {
      save = resolve;
    });
    const { server, client, told } = await ready({ cursorStore: { load: async () => new Map(), save: () => saved } });
    const first = await server.connection(1);
    first.welcome();
    first.event(1);
    await until('the event is there', () => told.events.length === 1);
    const closed = client.close();
    await setImmediate();
    save();
    await closed;
    expect((await first.take('ack')).data).toEqual({ sessionId: 's', seq: 1 });
  });

  test('saves and acknowledges what was handed over last, even by the listener that closes the client', async () => {
    const { server, client, told } = await ready();
    const first = await server.connection(1);
    let closed: Promise<void> | undefined;
    client.on('event', () => {
      closed = client.close();
    });
    first.welcome();
    first.event(1);
    first.event(2);
    expect((await first.take('ack')).data).toEqual({ sessionId: 's', seq: 1 });
    await closed;
    expect(told.events).toHaveLength(1);
  });
});
