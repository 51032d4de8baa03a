/**
 * What one processor can give to many clients: the daemon with its journal, from a CLI that writes as fast as the
 * clients take it, beside servers that send the same number of bytes from memory.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Bench } from './support/bench.js';
import { type Broadcast, startBroadcast } from './support/broadcast.js';
import { sleep } from './support/clock.js';
import { type Counted, type Crowd, type Entrance, openCrowd } from './support/crowd.js';
import { digits } from './support/distribution.js';
import { processorSeconds } from './support/process-figures.js';
import { startReferenceServer } from './support/reference-server.js';
import type { Row } from './support/table.js';

const CLIENTS = [100, 1000];
/** The text of an event or a delta, so that a frame of deltas has 256 bytes or a little more. */
const TEXT_BYTES = 10;
/** Frames of a round for all clients together. */
const FRAMES = 400_000;
const FRAMES_COALESCED = 2_000_000;
const BATCH = 100;
const LEAST_COALESCED = 10;
const SETTLE_MS = 300;

interface Rate {
  /** Events or deltas a second, for all clients together. */
  byClock: number;
  /** The same for each second that the server's processor worked. */
  byProcessor: number;
  /** Of one frame. */
  bytes: number;
  /** Deltas may be joined. */
  piecesInFrame: number;
  counted: Counted;
}

const SUBJECTS = [
  { kind: 'events', batch: 1 },
  { kind: 'events', batch: BATCH },
  { kind: 'deltas', batch: 1 },
  { kind: 'deltas', batch: BATCH },
] as const;
type Subject = (typeof SUBJECTS)[number];

interface Round {
  subjects: Map<Subject, Rate>;
  ws: Rate;
  socketIo: Rate;
}

export const fanOut: Bench = {
  name: 'fan-out',
  run: async ({ quick }) => {
    const rows: Row[] = [];
    const share = quick ? 0.1 : 1;
    for (const clients of CLIENTS) {
      const rounds: Round[] = [];
      for (let round = 0; round < (quick ? 1 : 3); round += 1) rounds.push(await runRound(clients, share));
      rows.push(...SUBJECTS.map((subject) => rowOf({ clients, subject, rounds })));
    }
    return rows;
  },
};

async function runRound(clients: number, share: number): Promise<Round> {
  const crowd = openCrowd();
  try {
    const subjects = await measureDaemon({ crowd, clients, share });
    const bytes = Math.round(subjects.get(SUBJECTS[0])?.bytes ?? 0);
    const count = Math.round((FRAMES * share) / clients);
    const ws = await measureReference({ crowd, clients, kind: 'ws', count, bytes });
    return { subjects, ws, socketIo: await measureReference({ crowd, clients, kind: 'socket.io', count, bytes }) };
  } finally {
    await crowd.close();
  }
}

interface Measured {
  crowd: Crowd;
  clients: number;
  pid: number;
  entrance: Entrance;
}

async function measureDaemon({ crowd, clients, share }: { crowd: Crowd; clients: number; share: number }) {
  const broadcast = await startBroadcast();
  try {
    const rates = new Map<Subject, Rate>();
    for (const subject of SUBJECTS) {
      const events = [subject.kind === 'events' ? 'assistantMessage' : 'streamData', 'streamComplete'];
      const entrance = broadcast.entrance(events, `${subject.kind}-${subject.batch}`);
      const all = (subject.batch === 1 ? FRAMES : FRAMES_COALESCED) * share;
      const writes = Math.max(2, Math.round(all / clients / subject.batch));
      const measured = { crowd, clients, pid: broadcast.pid, entrance };
      rates.set(subject, await measure(measured, () => flood({ broadcast, crowd, subject, writes })));
    }
    return rates;
  } finally {
    await broadcast.close();
  }
}

interface Flood {
  broadcast: Broadcast;
  crowd: Crowd;
  subject: Subject;
  writes: number;
}

async function flood({ broadcast, crowd, subject: { kind, batch }, writes }: Flood): Promise<void> {
  const fifo = join(broadcast.stage.daemon.root, `${kind}-${batch}`);
  spawnSync('mkfifo', [fifo]);
  await crowd.count({ kind, textBytes: TEXT_BYTES, credits: { fifo, batch, writes } });
  await broadcast.say({ kind, batch, count: writes * batch, bytes: TEXT_BYTES, credits: fifo });
}

interface ReferenceOptions {
  crowd: Crowd;
  clients: number;
  kind: 'ws' | 'socket.io';
  count: number;
  bytes: number;
}

async function measureReference({ crowd, clients, kind, count, bytes }: ReferenceOptions): Promise<Rate> {
  const server = await startReferenceServer(kind);
  try {
    return await measure({ crowd, clients, pid: server.pid, entrance: server.entrance }, async () => {
      await crowd.count({ perClient: count });
      await server.flood({ count, bytes });
    });
  } finally {
    await server.close();
  }
}

async function measure({ crowd, clients, pid, entrance }: Measured, send: () => Promise<void>): Promise<Rate> {
  await crowd.open(entrance, clients);
  await sleep(SETTLE_MS);
  const before = processorSeconds(pid);
  await send();
  const counted = await crowd.counted();
  const used = processorSeconds(pid) - before;
  await crowd.closeClients();
  const { pieces, frames, ms, bytes } = counted;
  return {
    byClock: pieces / (ms / 1000),
    byProcessor: pieces / used,
    bytes: bytes / frames,
    piecesInFrame: pieces / frames,
    counted,
  };
}

function rowOf({ clients, subject, rounds }: { clients: number; subject: Subject; rounds: Round[] }): Row {
  const ours = medianOf(rounds.map(({ subjects }) => subjects.get(subject)).filter((rate) => rate !== undefined));
  const ws = medianOf(rounds.map((round) => round.ws));
  const socketIo = medianOf(rounds.map((round) => round.socketIo));
  const { kind, batch } = subject;
  const least = batch === 1 ? 1 : LEAST_COALESCED;
  const ratio = ours.byProcessor / ws.byProcessor;
  const how = batch === 1 ? 'a write for each' : `${batch} in a write`;
  const joined = ours.piecesInFrame > 1.5 ? `, joined ${ours.piecesInFrame.toFixed(0)} to a frame` : '';
  return {
    figure: `fan-out to ${clients} clients, apart: ${kind}, ${how}${joined}, ${ours.bytes.toFixed(0)} bytes a frame`,
    goal: `≥ ${least} × ws`,
    measured: inThousands(ours),
    reference: `ws ${inThousands(ws)}; socket.io ${inThousands(socketIo)}`,
    ratio,
    goalRatio: least,
    met: ratio >= least,
  };
}

interface Median {
  byClock: number;
  byProcessor: number;
  bytes: number;
  piecesInFrame: number;
  busy: number;
}

function medianOf(rates: Rate[]): Median {
  const median = (value: (rate: Rate) => number) => {
    const sorted = rates.map(value).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  };
  return {
    byClock: median((rate) => rate.byClock),
    byProcessor: median((rate) => rate.byProcessor),
    bytes: median((rate) => rate.bytes),
    piecesInFrame: median((rate) => rate.piecesInFrame),
    busy: median((rate) => rate.counted.busy),
  };
}

/** By the clock, and by the time that the server's processor worked; how busy the clients were says who was the slower. */
const inThousands = ({ byClock, byProcessor, busy }: Median): string =>
  `${digits(byClock / 1000)} k/s (${digits(byProcessor / 1000)} k per processor second, clients ${Math.round(busy * 100)} % busy)`;
