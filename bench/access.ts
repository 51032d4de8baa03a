/** What it costs to let somebody in, and what an attacker costs those who are in. */

import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jwtVerify } from 'jose';
import { openTokenKeys } from '../services/identity/access-tokens.js';
import { Identity } from '../services/identity/identity.js';
import { openRegistryFile } from '../services/identity/registry-file.js';
import type { UserId } from '../services/ports/records.js';
import { pairDevice } from '../tests/support/identity-world.js';
import type { Bench } from './support/bench.js';
import { now } from './support/clock.js';
import { keepOn } from './support/cores.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { processorSeconds } from './support/process-figures.js';
import { type ReferenceServer, startReferenceServer } from './support/reference-server.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';
import { startWorker } from './support/worker.js';

const LEAST_CHECKS = 20_000;
const MOST_UPGRADE_MS = 1;
const MOST_SLOWER = 1.2;
const ATTACKS_PER_SECOND = 2000;
/** As the limits are in use. */
const LIMITS = { LIMIT_FAILED: '10', LIMIT_READS: '100000' };

export const access: Bench = {
  name: 'access',
  run: async ({ quick }) => [
    await checks(quick ? 2000 : 40_000),
    ...(await doors({ batches: quick ? 5 : 40, rounds: quick ? 1 : 6, ms: quick ? 1000 : 5000 })),
  ],
};

/** Access tokens, seen before and not, beside the signature alone. */
async function checks(count: number): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-access-'));
  const keys = await openTokenKeys(join(folder, 'keys.json'));
  const registry = await openRegistryFile(join(folder, 'registry.json'));
  const identity = new Identity({ registry, keys, now: Date.now, onRevoked: () => {}, onReused: () => {} });
  const userId = identity.people.owner.userId as UserId;
  const { accessToken } = await identity.admit({ userId, scopes: ['read'], name: 'phone', platform: 'ios' });
  const perSecond = async (check: () => Promise<unknown>, times: number) => {
    const began = now();
    for (let done = 0; done < times; done += 1) await check();
    return times / ((now() - began) / 1000);
  };
  const verified = () => jwtVerify(accessToken, keys.verifying, { algorithms: ['EdDSA'] });
  await perSecond(() => identity.authenticate(accessToken), count / 10);
  const ours = await perSecond(() => identity.authenticate(accessToken), count);
  const signature = await perSecond(verified, count / 20);
  rmSync(folder, { recursive: true });
  return {
    figure: 'access token of a request, checked',
    goal: `> ${LEAST_CHECKS}/s`,
    measured: `${digits(ours)}/s`,
    reference: `its signature alone, by jose: ${digits(signature)}/s`,
    ratio: ours / signature,
    goalRatio: LEAST_CHECKS / signature,
    met: ours > LEAST_CHECKS,
  };
}

interface Amount {
  batches: number;
  rounds: number;
  ms: number;
}

async function doors(amount: Amount): Promise<Row[]> {
  const stage = await setStage({ binary: FAKE_CLI, environment: LIMITS });
  const reference = await startReferenceServer('ws');
  try {
    keepOn(stage.daemon.pid, 'server');
    return [await upgrades(stage, reference, amount), await attack(stage, amount)];
  } finally {
    await Promise.all([stage.close(), reference.close()]);
  }
}

const BATCH = 50;

async function upgrades({ daemon }: Stage, reference: ReferenceServer, { batches }: Amount): Promise<Row> {
  const { accessToken } = await pairDevice(daemon);
  const port = Number(new URL(daemon.url).port);
  const costs = async (pid: number, open: () => Promise<void>) => {
    const found: number[] = [];
    for (let batch = 0; batch < batches; batch += 1) {
      const before = processorSeconds(pid);
      for (let done = 0; done < BATCH; done += 1) await open();
      found.push(((processorSeconds(pid) - before) * 1000) / BATCH);
    }
    return distributionOf(found);
  };
  const ours = await costs(daemon.pid, () => upgrade(port, accessToken));
  const theirs = await costs(reference.pid, () => upgrade(reference.entrance.port));
  return {
    figure: 'upgrade with an access token, opened to welcome and closed: processor',
    goal: `p50 < ${MOST_UPGRADE_MS} ms`,
    measured: inMs(ours),
    reference: `ws alone, without a credential: ${inMs(theirs)}`,
    ratio: ours.p50 / theirs.p50,
    goalRatio: MOST_UPGRADE_MS / theirs.p50,
    met: ours.p50 < MOST_UPGRADE_MS,
  };
}

/** Opens a WebSocket, and cuts it when the server has said yes. */
function upgrade(port: number, token?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const lines = [
      'GET /ws HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
      ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ];
    socket.once('error', reject);
    socket.once('data', (bytes: Buffer) => {
      if (!bytes.toString('latin1').startsWith('HTTP/1.1 101')) reject(new Error(bytes.toString('latin1')));
      socket.once('close', () => resolve());
      socket.destroy();
    });
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  });
}

interface Load {
  times: number[];
}

const PATH = '/api/sessions';
const CLIENT_PER_SECOND = 50;
const ATTACKERS = 16;

interface Guesses {
  statuses: Record<string, number>;
}

/** A client reads sessions, in turn without and with somebody who tries one credential after the other. */
async function attack({ daemon }: Stage, { rounds, ms }: Amount): Promise<Row> {
  const port = Number(new URL(daemon.url).port);
  const { accessToken: token } = await pairDevice(daemon);
  const client = startWorker({ file: 'http-load.mjs', side: 'load' });
  const attacker = startWorker({ file: 'guesser.mjs', side: 'load' });
  const load = { port, path: PATH, ms };
  const read = () => client.ask<Load>({ type: 'load', ...load, token, perSecond: CLIENT_PER_SECOND, sockets: 1 });
  const guess = () =>
    attacker.ask<Guesses>({ type: 'guess', ...load, perSecond: ATTACKS_PER_SECOND, sockets: ATTACKERS });
  const found = { calm: [] as number[], attacked: [] as number[], guesses: 0, looked: 0, processorMs: 0 };
  try {
    await read();
    for (let round = 0; round < rounds; round += 1) {
      const before = processorSeconds(daemon.pid);
      found.calm.push(...(await read()).times);
      const between = processorSeconds(daemon.pid);
      const [ours, { statuses }] = await Promise.all([read(), guess()]);
      found.attacked.push(...ours.times);
      found.guesses += Object.values(statuses).reduce((sum, count) => sum + count, 0);
      found.looked += statuses['401'] ?? 0;
      found.processorMs += (processorSeconds(daemon.pid) - between - (between - before)) * 1000;
    }
  } finally {
    await Promise.all([client.close(), attacker.close()]);
  }
  return attackRow(found, (rounds * ms) / 1000);
}

interface Found {
  calm: number[];
  attacked: number[];
  guesses: number;
  looked: number;
  processorMs: number;
}

function attackRow({ calm, attacked, guesses, looked, processorMs }: Found, seconds: number): Row {
  const [without, beside] = [distributionOf(calm), distributionOf(attacked)];
  const ratio = beside.p99 / without.p99;
  const cost = digits((processorMs * 1000) / guesses);
  return {
    figure: `requests of a client while somebody guesses, ${digits(guesses / seconds)}/s, at ${cost} µs of the daemon each (${looked} of ${guesses} looked at): p99`,
    goal: `≤ ${MOST_SLOWER} × without`,
    measured: inMs(beside),
    reference: `without: ${inMs(without)}`,
    ratio,
    goalRatio: MOST_SLOWER,
    met: ratio <= MOST_SLOWER,
  };
}
