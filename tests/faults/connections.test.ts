/** Networks that go quiet and a daemon that is busy: who is cut off, and who is not. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { deviceQueueSchema } from '../../protocol/rest.js';
import { countOf } from '../support/counts.js';
import { TOKEN } from '../support/daemon.js';
import { type Relay, startRelay } from '../support/relay.js';
import { waitUntil } from '../support/wait-until.js';
import type { WireClient } from '../support/wire-client.js';
import { connect } from '../support/wire-client.js';
import { useWorld } from '../support/world.js';

/** The half minutes of the contract pass this much faster; with more, a busy machine takes as long as they do. */
const FASTER = 4;
/** By the daemon's clock, of which a second beside other tests passes in a quarter of one: there it is as much more. */
const REAPED_S = countOf({ full: 38, fast: 4 * 38 });
const support = join(import.meta.dirname, '../support');
const world = useWorld({
  environment: {
    CLAUDE_PATH: join(support, 'fake-cli.mjs'),
    NODE_OPTIONS: `--require ${join(support, 'fast-clock.cjs')}`,
    FAST_CLOCK: String(FASTER),
  },
});

const relays: Relay[] = [];
afterEach(async () => {
  for (const relay of relays.splice(0)) await relay.close();
});

async function relayed(): Promise<Relay> {
  const relay = await startRelay(world.daemon.url);
  relays.push(relay);
  return relay;
}

const gauge = async (name: string): Promise<number> => {
  const text = await (await world.daemon.fetch('/metrics')).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
};

/** Resolves when this many connections are left, with the seconds that it took by the daemon's clock. */
async function left(connections: number): Promise<number> {
  const start = performance.now();
  await waitUntil('they are gone', async () => (await gauge('companion_connections')) === connections);
  return ((performance.now() - start) / 1000) * FASTER;
}

/** Events of together so many MB, in a session of its own. */
async function flood(author: WireClient, sessionId: string, events: number): Promise<number> {
  const from = author.frames.length;
  const acts = [...Array.from({ length: events }, () => ({ bigResult: 200_000 })), { result: 'done' }];
  await author.request('streamSend', { sessionId, prompt: JSON.stringify(acts) });
  const { seq: end = 0 } = await author.waitFor('streamComplete', from);
  // Not the one with which the child came up: it can be on its way still.
  const idle = await author.waitFor(
    ({ type, data, seq = 0 }) => type === 'sessionStatus' && data.status === 'idle' && seq > end,
    from,
  );
  return idle.seq ?? 0;
}

async function openSession(author: WireClient): Promise<string> {
  const started = await author.request('streamStart', { prompt: '', workingDirectory: world.daemon.project() });
  return started.data.sessionId;
}

/** So many seconds of the daemon's clock in which it says and hears nothing. */
async function stallDaemon(seconds: number): Promise<void> {
  process.kill(world.daemon.pid, 'SIGSTOP');
  // Nothing to wait for: the time that passes is the fault.
  await delay((seconds * 1000) / FASTER);
  process.kill(world.daemon.pid, 'SIGCONT');
}

describe('connections', () => {
  test('D5: half-open ones are reaped in 35 s, whether or not something was on its way', async () => {
    const author = await world.connect();
    const sessionId = await openSession(author);
    const others = await gauge('companion_connections');
    const relay = await relayed();
    const idle = await connect(relay, { deviceId: 'half-open-idle' });
    const busy = await connect(relay, { deviceId: 'half-open-busy' });
    await busy.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    await busy.waitFor('caughtUp');
    expect(await gauge('companion_connections')).toBe(others + 2);
    relay.cut();
    const [seconds] = await Promise.all([left(others), flood(author, sessionId, 60)]);
    expect(seconds).toBeLessThanOrEqual(REAPED_S);
    idle.terminate();
    busy.terminate();
  });

  test('no connection is dropped because the daemon was busy for 30 s, at any moment of the heartbeat', async () => {
    const clients = Array.from({ length: 20 }, (_, index) => pingedClient(`healthy-${index}`));
    await Promise.all(clients.map(({ opened }) => opened));
    for (let round = 0; round < 4; round += 1) {
      const before = clients.map(({ pings }) => pings());
      await stallDaemon(30);
      // Until each was pinged again, which every heartbeat that is alive does.
      await world.daemon.until(() => clients.every(({ pings }, index) => pings() > (before[index] ?? 0)));
    }
    expect(clients.map(({ closed }) => closed())).toEqual(clients.map(() => undefined));
    for (const { socket } of clients) socket.terminate();
  });

  test('D5: a link that is slow but moves is not cut off, and brings everything', async () => {
    const author = await world.connect();
    const sessionId = await openSession(author);
    const relay = await relayed();
    const slow = await connect(relay, { deviceId: 'slow-link' });
    await slow.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    await slow.waitFor('caughtUp');
    // 20 MB at such a pace that they take longer than a heartbeat, and much waits in the daemon meanwhile.
    relay.throttle(32 * 1024, Math.ceil(60 / FASTER));
    const head = await flood(author, sessionId, 100);
    await slow.waitFor(({ seq }) => seq === head);
    const seqs = slow.events(sessionId).map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: head - 1 }, (_, index) => index + 2));
    slow.terminate();
  });

  test('D5: a reader that takes nothing for 30 s is closed with 4413 and goes on by its cursor', async () => {
    const author = await world.connect();
    const sessionId = await openSession(author);
    const stalled = await world.connect({ deviceId: 'stalled-reader' });
    await stalled.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const { seq: from } = (await stalled.waitFor('caughtUp')).data;
    stalled.send('ack', { sessionId, seq: from });
    await stalled.request('ping', {});
    const connections = () => gauge('companion_connections');
    const before = await connections();
    stalled.pause();
    const flooding = flood(author, sessionId, 60);
    await waitUntil('it is closed', async () => (await connections()) < before);
    // At once: of a reader that takes nothing for another while, the connection is dropped with what it was told.
    stalled.resume();
    expect(await stalled.closed).toBe(4413);
    const head = await flooding;
    const back = await world.connect({ deviceId: 'stalled-reader' });
    await back.waitFor(({ seq }) => seq === head);
    expect(back.events(sessionId).map(({ seq }) => seq)).toEqual(
      Array.from({ length: head - from }, (_, index) => from + 1 + index),
    );
  });
});

describe('receipts', () => {
  const depthOf = async (deviceId: string, sessionId: string): Promise<number | undefined> => {
    const { sessions } = deviceQueueSchema.parse(
      await (await world.daemon.fetch(`/api/devices/${deviceId}/queue`)).json(),
    );
    return sessions.find((session) => session.sessionId === sessionId)?.depth;
  };

  test('D2: a device that never acknowledges does so by delivery: what came before its last pong does not come again', async () => {
    const author = await world.connect();
    const sessionId = await openSession(author);
    const older = await world.connect({ deviceId: 'never-acknowledges' });
    await older.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const head = await flood(author, sessionId, 1);
    await older.waitFor(({ seq }) => seq === head);
    await waitUntil('its pong has come', async () => (await depthOf('never-acknowledges', sessionId)) === 0);
    await older.close();
    const later = await flood(author, sessionId, 1);
    const back = await world.connect({ deviceId: 'never-acknowledges' });
    await back.waitFor(({ seq }) => seq === later);
    expect(back.events(sessionId).map(({ seq }) => seq)).toEqual(
      Array.from({ length: later - head }, (_, index) => head + 1 + index),
    );
  });

  test('D2: the pongs of a device that has acknowledged move nothing', async () => {
    const author = await world.connect();
    const sessionId = await openSession(author);
    const device = await world.connect({ deviceId: 'acknowledges' });
    await device.request('subscribe', { events: ['*'], sessionIds: [sessionId] });
    const { seq } = (await device.waitFor('caughtUp')).data;
    device.send('ack', { sessionId, seq });
    const head = await flood(author, sessionId, 1);
    const other = pingedClient('counts-heartbeats');
    await other.opened;
    // Both are on one heartbeat: when the other was pinged twice, this one was.
    await world.daemon.until(() => other.pings() >= 2);
    expect(await depthOf('acknowledges', sessionId)).toBe(head - seq);
    other.socket.terminate();
  });

  test('D5: a client that asks and does not read is closed with 4413 at 1 MiB, and others notice nothing', async () => {
    const author = await world.connect();
    const sessionId = await openSession(author);
    const acts = [
      { line: { type: 'assistant', message: { id: 'm', content: [{ type: 'text', text: 'x'.repeat(240_000) }] } } },
    ];
    await author.request('streamSend', { sessionId, prompt: JSON.stringify([...acts, { result: 'done' }]) });
    await author.waitFor('streamComplete');
    const greedy = await world.connect({ deviceId: 'greedy' });
    greedy.pause();
    const before = await gauge('companion_connections');
    // More than the system keeps for a connection that is not read, and then more than we do.
    for (let count = 0; count < 60; count += 1) greedy.send('getMessageHistory', { sessionId });
    await waitUntil('it is closed', async () => (await gauge('companion_connections')) === before - 1);
    greedy.resume();
    expect(await greedy.closed).toBe(4413);
    expect((await author.request('ping', {})).type).toBe('pong');
  });
});

/** A client that only answers pings, and counts them. */
function pingedClient(deviceId: string) {
  const socket = new WebSocket(`${world.daemon.url.replace('http', 'ws')}/ws?deviceId=${deviceId}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  let pings = 0;
  let code: number | undefined;
  socket.on('ping', () => {
    pings += 1;
  });
  socket.on('close', (closed) => {
    code = closed;
  });
  const opened = new Promise((resolve) => socket.once('open', resolve));
  return { socket, opened, pings: () => pings, closed: () => code };
}
