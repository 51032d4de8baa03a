import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { ConnectionError } from '../../client/index.js';
import type { RoughConnection } from './support/rough-server.js';
import { createRoughStage, settled } from './support/rough-stage.js';
import { openTimerLedger } from './support/timer-ledger.js';
import { until } from './support/until.js';

const stage = createRoughStage();
const expiresAt = '2025-01-01T00:15:00.000Z';
const out = () => new ConnectionError('unauthorized', 'The device is out.');
const noNetwork = () => new TypeError('fetch failed');
const bearerOf = ({ request }: RoughConnection) => request.headers.authorization?.replace('Bearer ', '');
const expire = (connection: RoughConnection) => connection.frame('tokenExpiring', { expiresAt });
const reauthenticated = async (connection: RoughConnection) => {
  const request = await connection.take('reauthenticate');
  connection.answer(request, 'reauthenticated', { expiresAt });
  return request.data.token;
};

/** Someone who renews: each call waits until the test settles it. Fails when two are under way. */
function createRenewals() {
  const waiting: { resolve(token: string): void; reject(error: Error): void }[] = [];
  let calls = 0;
  const settle = async () => {
    await until('a renewal was asked for', () => waiting.length > 0);
    expect(waiting).toHaveLength(1);
    return waiting.pop();
  };
  return {
    calls: () => calls,
    renewToken: () => {
      calls += 1;
      return new Promise<string>((resolve, reject) => waiting.push({ resolve, reject }));
    },
    asked: (count: number) => until(`${count} renewals were asked for`, () => calls >= count),
    give: async (token: string) => (await settle())?.resolve(token),
    refuse: async (error: Error) => (await settle())?.reject(error),
  };
}

const connect = async () => {
  const renewals = createRenewals();
  const staged = await stage.connect({ token: 'first', renewToken: renewals.renewToken });
  return { renewals, ...staged };
};

describe('a token that ends soon', () => {
  test('is replaced on its connection, and on those that follow', async () => {
    const { server, first, renewals, told, client } = await connect();
    expire(first);
    await renewals.give('second');
    expect(await reauthenticated(first)).toBe('second');
    await settled({ client }, first);
    first.break();
    expect(bearerOf(await server.connection(2))).toBe('second');
    expect([renewals.calls(), told.frames, told.faults]).toEqual([1, [], []]);
  });

  test('is renewed again with the next notice', async () => {
    const { first, renewals } = await connect();
    for (const token of ['second', 'third']) {
      expire(first);
      await renewals.give(token);
      expect(await reauthenticated(first)).toBe(token);
    }
  });

  test('is renewed once, however often that is asked for meanwhile', async () => {
    const { first, renewals, client } = await connect();
    expire(first);
    expire(first);
    await settled({ client }, first);
    await renewals.give('second');
    await reauthenticated(first);
    await settled({ client }, first);
    expect(renewals.calls()).toBe(1);
    expect(first.received).toEqual([]);
  });

  test('whose connection ends during the renewal is replaced on the next one by the same renewal', async () => {
    const { server, first, renewals, client, told } = await connect();
    expire(first);
    await renewals.asked(1);
    first.close(1008);
    await until('the client tries again', () => told.states.at(-1)?.kind === 'connecting');
    await renewals.give('second');
    const second = await server.connection(2);
    expect(bearerOf(second)).toBe('second');
    second.welcome();
    await until('the client is open', () => client.state.kind === 'open');
    await settled({ client }, second);
    expect([renewals.calls(), second.received]).toEqual([1, []]);
  });

  test('is tried to be renewed until there is a network', async () => {
    const { first, renewals, client, told } = await connect();
    expire(first);
    await renewals.refuse(noNetwork());
    await renewals.refuse(noNetwork());
    await renewals.give('second');
    expect(await reauthenticated(first)).toBe('second');
    expect(told.faults).toMatchObject(Array(2).fill({ kind: 'renewal', error: { message: 'fetch failed' } }));
    expect(client.state.kind).toBe('open');
  });

  test('of a device that is out is told of, and the connection is left to the daemon', async () => {
    const { first, renewals, client, told } = await connect();
    expire(first);
    await renewals.refuse(out());
    await until('the fault is told', () => told.faults.length === 1);
    await settled({ client }, first);
    expect(client.state.kind).toBe('open');
    first.close(1008);
    await renewals.refuse(out());
    await until('the client has given up', () => client.state.kind === 'closed');
    expect(client.state).toMatchObject({ error: { reason: 'revoked' } });
  });

  test('that the daemon does not take in its place is a fault', async () => {
    const { first, renewals, told } = await connect();
    expire(first);
    await renewals.give('of somebody else');
    const request = await first.take('reauthenticate');
    first.answer(request, 'error', { code: 'UNAUTHORIZED', message: 'Not yours.', details: { field: 'token' } });
    await until('the fault is told', () => told.faults.length === 1);
    expect(told.faults).toMatchObject([{ kind: 'server', error: { code: 'UNAUTHORIZED' } }]);
  });

  test('is handed on as a frame when there is no renewer', async () => {
    const { first, told, client } = await stage.connect({ token: 'first' });
    expire(first);
    await settled({ client }, first);
    expect(told.frames).toEqual([{ type: 'tokenExpiring', data: { expiresAt } }]);
  });
});

/** A client whose token is refused before it ever opens. */
const refused = async () => {
  const renewals = createRenewals();
  const server = await stage.server();
  server.refuseWith(401);
  return { server, renewals, ...stage.client(server, { token: 'first', renewToken: renewals.renewToken }) };
};

describe('a token that is refused', () => {
  test('on a connection is renewed once, and the client comes back with the new one', async () => {
    const { server, first, renewals, client, told } = await connect();
    const waiting = client.ping();
    await first.take('ping');
    first.close(1008);
    await renewals.give('second');
    const second = await server.connection(2);
    expect(bearerOf(second)).toBe('second');
    second.welcome();
    second.answer(await second.take('ping'), 'pong', { serverTime: expiresAt });
    await waiting;
    expect(told.states.map(({ kind }) => kind)).toEqual(['connecting', 'open', 'waiting', 'connecting', 'open']);
    expect([renewals.calls(), told.faults]).toEqual([1, []]);
  });

  test('before a connection is renewed once, and the client comes back with the new one', async () => {
    const { server, renewals } = await refused();
    await renewals.asked(1);
    server.refuseWith(0);
    await renewals.give('second');
    expect(bearerOf(await server.connection(1))).toBe('second');
  });

  test('and cannot be renewed closes the client, until it is told to try again', async () => {
    const { server, renewals, client, told } = await refused();
    const waiting = client.ping();
    await renewals.refuse(out());
    await expect(waiting).rejects.toMatchObject({ reason: 'unauthorized' });
    expect(told.faults).toMatchObject([{ kind: 'renewal', error: { reason: 'unauthorized' } }]);
    server.refuseWith(0);
    client.reconnect();
    client.reconnect();
    await renewals.give('second');
    const connection = await server.connection(1);
    expect(bearerOf(connection)).toBe('second');
    connection.welcome();
    await until('the client is open', () => client.state.kind === 'open');
    await settled({ client }, connection);
    expect(server.connections).toHaveLength(1);
  });

  test('again right after its renewal closes the client: before a connection', async () => {
    const { renewals, client } = await refused();
    await renewals.give('second');
    await until('the client has given up', () => client.state.kind === 'closed');
    expect(client.state).toMatchObject({ error: { reason: 'unauthorized' } });
    expect(renewals.calls()).toBe(1);
  });

  test('again right after its renewal closes the client: on a connection', async () => {
    const { server, first, renewals, client } = await connect();
    first.close(1008);
    await renewals.give('second');
    const second = await server.connection(2);
    second.welcome();
    second.close(1008);
    await until('the client has given up', () => client.state.kind === 'closed');
    expect(client.state).toMatchObject({ error: { reason: 'revoked' } });
    expect(renewals.calls()).toBe(1);
  });

  test('later than right after its renewal is renewed again', async () => {
    const { server, first, renewals } = await connect();
    first.close(1008);
    await renewals.give('second');
    (await server.connection(2)).break();
    (await server.connection(3)).close(1008);
    await renewals.give('third');
    expect(bearerOf(await server.connection(4))).toBe('third');
  });

  test('is not shown again while there is no network to renew it', async () => {
    const { server, first, renewals, client, told } = await connect();
    first.close(1008);
    for (let nth = 0; nth < 3; nth += 1) await renewals.refuse(noNetwork());
    await renewals.asked(4);
    expect(server.connections).toHaveLength(1);
    expect(client.state).toEqual({ kind: 'connecting', attempt: 5 });
    expect(told.states).toContainEqual(
      expect.objectContaining({ kind: 'waiting', because: expect.stringContaining('fetch failed') as unknown }),
    );
    await renewals.give('second');
    expect(bearerOf(await server.connection(2))).toBe('second');
    expect(told.faults).toHaveLength(3);
  });

  test('for another reason than itself is not renewed', async () => {
    const { first, renewals, client } = await connect();
    first.close(4409);
    await until('the client has given up', () => client.state.kind === 'closed');
    expect(renewals.calls()).toBe(0);
  });

  test('is got by a renewal where there is none yet', async () => {
    const renewals = createRenewals();
    const server = await stage.server();
    stage.client(server, { renewToken: renewals.renewToken });
    await renewals.give('first');
    expect(bearerOf(await server.connection(1))).toBe('first');
  });
});

describe('where the platform does not tell a refusal', () => {
  const start = async (status: number) => {
    const renewals = createRenewals();
    const server = await stage.server();
    server.refuseWith(status);
    const options = { token: 'first', renewToken: renewals.renewToken, webSocket: WebSocket };
    return { server, renewals, ...stage.client(server, options) };
  };
  const offered = ({ request }: RoughConnection) =>
    Buffer.from(request.headers['sec-websocket-protocol']?.split('bearer.')[1] ?? '', 'base64url').toString();

  test('the token is renewed after three tries in a row that never opened', async () => {
    const { server, renewals, told } = await start(401);
    await renewals.asked(1);
    expect(told.states.filter(({ kind }) => kind === 'waiting')).toHaveLength(3);
    server.refuseWith(0);
    await renewals.give('second');
    expect(offered(await server.connection(1))).toBe('second');
  });

  test('the old token is tried on while it cannot be renewed', async () => {
    const { server, renewals } = await start(502);
    await renewals.refuse(noNetwork());
    await renewals.asked(2);
    server.refuseWith(0);
    await renewals.refuse(noNetwork());
    expect(offered(await server.connection(1))).toBe('first');
  });

  test('a device that is out is closed', async () => {
    const { renewals, client } = await start(401);
    await renewals.refuse(out());
    await until('the client has given up', () => client.state.kind === 'closed');
    expect(client.state).toMatchObject({ error: { reason: 'unauthorized' } });
  });
});

describe('closing', () => {
  let timers: ReturnType<typeof openTimerLedger>;
  beforeEach(() => {
    timers = openTimerLedger();
  });
  afterEach(() => timers.close());

  test('during a renewal ends the tries, whatever comes of it', async () => {
    const { server, renewals, client, told } = await refused();
    await renewals.asked(1);
    await client.close();
    expect(timers.live()).toBe(0);
    server.refuseWith(0);
    await renewals.give('second');
    await setImmediate();
    expect(timers.live()).toBe(0);
    expect(told.states.at(-1)).toMatchObject({ kind: 'closed', error: { reason: 'closed' } });
    expect(server.connections).toEqual([]);
  });

  test('leaves no timer while a renewal is to be tried again', async () => {
    const renewals = createRenewals();
    const slow = { minMs: 600_000, maxMs: 600_000 };
    const options = { token: 'first', renewToken: renewals.renewToken, reconnect: slow };
    const { first, client, told } = await stage.connect(options);
    expire(first);
    expire(first);
    await settled({ client }, first);
    await renewals.refuse(noNetwork());
    await until('the fault is told', () => told.faults.length === 1);
    await client.close();
    expect(timers.live()).toBe(0);
  });

  test('by a listener that hears of a try keeps it from being made', async () => {
    const { server, first, client, told } = await connect();
    client.on('state', ({ kind }) => {
      if (kind === 'connecting') void client.close();
    });
    first.break();
    await until('the client is closed', () => told.states.at(-1)?.kind === 'closed');
    expect(timers.live()).toBe(0);
    expect(server.connections).toHaveLength(1);
  });
});
