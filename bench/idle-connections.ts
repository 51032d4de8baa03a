/** What ten thousand connections cost that only wait, each a device of its own: memory, and work for their heartbeats. */
import { spawnSync } from 'node:child_process';
import type { Bench } from './support/bench.js';
import { type Broadcast, startBroadcast } from './support/broadcast.js';
import { now, sleep } from './support/clock.js';
import { type Entrance, openCrowd } from './support/crowd.js';
import { digits } from './support/distribution.js';
import { createProbe, type Probe } from './support/probe.js';
import { processorSeconds } from './support/process-figures.js';
import { startReferenceServer } from './support/reference-server.js';
import type { Row } from './support/table.js';

const CLIENTS = 10_000;
const CLIENTS_QUICK = 1000;
/** Files that a server opens beside its connections. */
const OTHER_FILES = 200;
/** Come and go before anything is measured, so that code and pools are there. */
const WARM_UP = 500;
const REST_MS = 30_000;
const REST_QUICK_MS = 5000;
const SETTLE_MS = 3000;
const MOST_KIB = 10;
const MOST_PROCESSOR = 0.02;
const KIB = 1024;

interface Cost {
  clients: number;
  /** Bytes for each connection, after the garbage collector has run: of the process, and of its heap. */
  resident: number;
  heap: number;
  /** Share of one core. */
  processor: number;
}

export const idleConnections: Bench = {
  name: 'idle-connections',
  run: async ({ quick }) => {
    const clients = Math.min(quick ? CLIENTS_QUICK : CLIENTS, openFilesAllowed() - OTHER_FILES);
    const options = { clients, restMs: quick ? REST_QUICK_MS : REST_MS };
    const daemon = await measureDaemon(options);
    const ws = await measureReference('ws', options);
    return rowsOf(daemon, ws, await measureReference('socket.io', options));
  },
};

/** Node raises its own limit to this. */
const openFilesAllowed = () => Number(spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout) || 1024;

interface Options {
  clients: number;
  restMs: number;
}

async function measureDaemon(options: Options): Promise<Cost> {
  const probe = createProbe('server/main.js');
  const broadcast: Broadcast = await startBroadcast(probe.environment);
  try {
    return await measure({ ...options, probe, pid: broadcast.pid, entrance: broadcast.entrance(['*']) });
  } finally {
    await broadcast.close();
    probe.close();
  }
}

async function measureReference(kind: 'ws' | 'socket.io', options: Options): Promise<Cost> {
  const probe = createProbe(kind === 'ws' ? 'plain-ws-server.mjs' : 'socket-io-server.mjs');
  const server = await startReferenceServer(kind, probe.environment);
  try {
    return await measure({ ...options, probe, pid: server.pid, entrance: server.entrance });
  } finally {
    await server.close();
    probe.close();
  }
}

interface Measured extends Options {
  probe: Probe;
  pid: number;
  entrance: Entrance;
}

async function measure({ clients, restMs, probe, pid, entrance }: Measured): Promise<Cost> {
  const crowd = openCrowd();
  try {
    await crowd.open(entrance, WARM_UP);
    await crowd.closeClients();
    await sleep(SETTLE_MS);
    const before = await probe.look(pid, 'collected');
    await crowd.open(entrance, clients);
    await sleep(SETTLE_MS);
    const [from, used] = [now(), processorSeconds(pid)];
    await sleep(restMs);
    const processor = (processorSeconds(pid) - used) / ((now() - from) / 1000);
    const after = await probe.look(pid, 'collected');
    const lost = await crowd.closed();
    if (lost > 0) throw new Error(`${lost} of ${clients} connections were lost`);
    const each = (figure: 'rss' | 'heapUsed') => (after[figure] - before[figure]) / clients;
    return { clients, resident: each('rss'), heap: each('heapUsed'), processor };
  } finally {
    await crowd.close();
  }
}

function rowsOf(daemon: Cost, ws: Cost, socketIo: Cost): Row[] {
  const who = `${daemon.clients} idle devices, subscribed, apart`;
  return [
    {
      figure: `${who}: memory of each (resident, after gc; heap alone)`,
      goal: `≤ ${MOST_KIB} KiB`,
      measured: inKib(daemon),
      reference: `ws ${inKib(ws)}; socket.io ${inKib(socketIo)}`,
      ratio: daemon.resident / ws.resident,
      goalRatio: (MOST_KIB * KIB) / ws.resident,
      met: daemon.resident <= MOST_KIB * KIB,
    },
    {
      figure: `${who}: processor, with heartbeats every 25 s`,
      goal: `< ${MOST_PROCESSOR * 100} % of a core`,
      measured: inPercent(daemon),
      reference: `ws ${inPercent(ws)}; socket.io ${inPercent(socketIo)}`,
      ratio: daemon.processor / ws.processor,
      goalRatio: MOST_PROCESSOR / ws.processor,
      met: daemon.processor < MOST_PROCESSOR,
    },
  ];
}

const inKib = ({ resident, heap }: Cost): string => `${digits(resident / KIB)} KiB (${digits(heap / KIB)})`;
const inPercent = ({ processor }: Cost): string => `${digits(processor * 100)} %`;
