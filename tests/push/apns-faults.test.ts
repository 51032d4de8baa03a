/** What becomes of pushes when Apple's server goes away, resets, hangs or loses the connection. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import type { PushMessage, SendOutcome } from '../../services/ports/push.js';
import { type ApnsBehaviour, type ApnsRequest, KEY_ID, startApnsServer, TEAM_ID } from '../support/apns-server.js';
import { countOf } from '../support/counts.js';
import { waitUntil } from '../support/wait-until.js';
import { useApns } from './support/apns-stage.js';
import { testClosing } from './support/closing-sender.js';
import { message, registration, tokenKey } from './support/push-samples.js';

const apns = useApns();

/** Longer than a test may take: what ends before has not waited for it. */
const NEVER_MS = 600_000;
const SOON_MS = 250;

const LOSSES = ['reset', 'drop', 'goaway-refusing', 'goaway-dropping', 'accept-and-drop'] as const;

describe.each(LOSSES)('%s', (kind) => {
  test('answers every push under way at once, and the next one arrives', async () => {
    const sender = apns.sender({ timeoutMs: NEVER_MS });
    await sender.send(registration(), message());
    let seen = 0;
    const all = 20;
    apns.production.behave(() => {
      seen += 1;
      return { kind: seen === all ? kind : 'hang' };
    });
    const under = Array.from({ length: all }, () => sender.send(registration(), message()));
    if (kind === 'reset' || kind === 'goaway-refusing') {
      // The others are served for as long as the session stands.
      expect(await Promise.race(under)).toMatchObject({ kind: 'retry' });
    } else {
      const outcomes = await Promise.all(under);
      expect(outcomes.map((outcome) => outcome.kind)).toEqual(Array.from({ length: all }, () => 'retry'));
    }
    apns.production.behave(() => ({ kind: 'accept' }));
    expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
  });
});

test('GOAWAY with pushes under way that are served: all arrive, the next ones by a new session', async () => {
  const sender = apns.sender({ timeoutMs: NEVER_MS });
  apns.production.behave(() => ({ kind: 'goaway-serving' }));
  expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
  expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
  expect(apns.production.sessions()).toBe(2);
  expect(apns.production.providerTokens.size).toBe(1);
});

test('a hung session is not used again, and ends with its last push; the provider token stays', async () => {
  const sender = apns.sender({ timeoutMs: SOON_MS });
  apns.production.behave(() => ({ kind: 'hang' }));
  const hung = await Promise.all(Array.from({ length: 20 }, () => sender.send(registration(), message())));
  for (const outcome of hung) expect(outcome).toEqual({ kind: 'retry', reason: `no answer within ${SOON_MS} ms` });
  await waitUntil('the hung session has ended', () => apns.production.openSessions() === 0);
  apns.production.behave(() => ({ kind: 'accept' }));
  expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
  expect(apns.production.sessions()).toBe(2);
  expect(apns.production.providerTokens.size).toBe(1);
  expect(sender.problem).toBeUndefined();
});

test('two internal errors do not cost the other pushes of their session', async () => {
  const sender = apns.sender({ timeoutMs: NEVER_MS });
  let release = () => {};
  const held = new Promise<ApnsBehaviour>((resolve) => {
    release = () => resolve({ kind: 'accept' });
  });
  apns.production.behave(({ payload }) =>
    payload.pushId === 'held' ? held : { kind: 'refuse', status: 500, reason: 'InternalServerError' },
  );
  const pending = sender.send(registration(), message({ pushId: 'held' }));
  await waitUntil('it is there', () => apns.production.requests.length === 1);
  for (let count = 0; count < 3; count += 1)
    expect(await sender.send(registration(), message())).toEqual({ kind: 'retry', reason: 'InternalServerError' });
  release();
  expect(await pending).toMatchObject({ kind: 'accepted' });
  expect(apns.production.sessions()).toBe(1);
});

test('a server that serves one push at a time refuses none of a burst', async () => {
  const { publicKey, pem } = tokenKey();
  const server = await startApnsServer({ publicKey, maxStreams: 1 });
  const caFile = apns.file('narrow.pem', server.ca);
  const endpoints = { production: server, sandbox: server };
  const sender = apns.sender({ caFile, endpoints, credential: { key: pem, keyId: KEY_ID, teamId: TEAM_ID } });
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => sender.send(registration(), message())));
  expect(outcomes.filter(({ kind }) => kind !== 'accepted')).toEqual([]);
  expect(server.sessions()).toBe(1);
  await sender.close();
  await server.close();
});

test('a session that was cut off with its network is noticed while it is idle: the next push has a new one', async () => {
  const line = await openLine(apns.production);
  const endpoints = { production: line, sandbox: apns.sandbox };
  const sender = apns.sender({ endpoints, timeoutMs: SOON_MS, pingMs: 20 });
  expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
  line.cut();
  await waitUntil('it is given up', () => line.open() === 0);
  expect(await sender.send(registration(), message())).toMatchObject({ kind: 'accepted' });
  expect(apns.production.providerTokens.size).toBe(1);
  await sender.close();
  line.close();
});

/** A network between a sender and a server, on which connections can be cut without either end being told. */
async function openLine(server: { address: string; port: number }) {
  const sockets = new Set<Socket>();
  const line = createServer((near) => {
    const far = connect(server.port, server.address);
    sockets.add(near);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => {});
    near.once('close', () => {
      sockets.delete(near);
      far.destroy();
    });
  });
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve));
  return {
    address: '127.0.0.1',
    port: (line.address() as AddressInfo).port,
    open: () => sockets.size,
    cut: () => {
      for (const socket of sockets) {
        socket.unpipe();
        socket.resume();
      }
    },
    close: () => line.close(),
  };
}

describe('a sender that is closed', () => {
  testClosing(apns, () => apns.sender({ timeoutMs: NEVER_MS }));
});

const FAULTS: ApnsBehaviour[] = [
  ...LOSSES.map((kind) => ({ kind })),
  { kind: 'hang' },
  { kind: 'goaway-serving' },
  { kind: 'refuse', status: 503, reason: 'Shutdown' },
  { kind: 'refuse', status: 500, reason: 'InternalServerError' },
];

/** Sends until it is accepted, as the outbox does; each sending must have one outcome. */
async function deliver(send: () => Promise<SendOutcome>): Promise<SendOutcome> {
  for (;;) {
    const outcome = await send();
    if (outcome.kind !== 'retry') return outcome;
  }
}

test('P1: whatever is injected, each push arrives, and never two with different content under one id', async () => {
  const faults = countOf({ full: 1000, fast: 30 });
  const sender = apns.sender({ timeoutMs: SOON_MS });
  let injected = 0;
  let turn = 0;
  apns.production.behave(() => {
    turn += 1;
    if (turn % 4 !== 0 || injected === faults) return { kind: 'accept' };
    injected += 1;
    return FAULTS[injected % FAULTS.length] ?? { kind: 'accept' };
  });
  const sent: PushMessage[] = [];
  const worker = async (name: number) => {
    for (let count = 0; injected < faults; count += 1) {
      const id = `${name}-${count}`;
      const one = message({ pushId: id, collapseId: id, body: `body of ${id}` });
      sent.push(one);
      expect(await deliver(() => sender.send(registration(), one))).toMatchObject({ kind: 'accepted' });
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, name) => worker(name)));

  const arrived = new Map<string, Set<string>>();
  for (const { headers, payload } of apns.production.requests as ApnsRequest[]) {
    const id = String(headers['apns-collapse-id']);
    arrived.set(id, (arrived.get(id) ?? new Set()).add(JSON.stringify(payload)));
  }
  const shown = new Set(apns.production.accepted.map(({ headers }) => headers['apns-collapse-id']));
  expect(shown).toEqual(new Set(sent.map(({ collapseId }) => collapseId)));
  expect([...arrived.values()].filter((payloads) => payloads.size > 1)).toEqual([]);
  expect(apns.production.violations).toEqual([]);
  expect(apns.production.providerTokens.size).toBe(1);
  await sender.close();
  await waitUntil('no session is left', () => apns.production.openSessions() === 0);
});
