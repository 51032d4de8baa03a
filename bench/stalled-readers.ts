/**
 * A thousand clients of one busy session, of which some stop reading: what each of those costs in memory, and what it
 * costs the others. The same without a stall, and both with plain `ws`.
 */
import type { Bench } from './support/bench.js';
import { type Broadcast, startBroadcast } from './support/broadcast.js';
import { now, sleep } from './support/clock.js';
import { type Crowd, type Entrance, openCrowd } from './support/crowd.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import type { Load } from './support/load.js';
import { createProbe, type Insight, type Probe } from './support/probe.js';
import { startReferenceServer } from './support/reference-server.js';
import type { Row } from './support/table.js';

const CLIENTS = 1000;
const STALLED = [1, 100];
const PER_SECOND = 20;
const TEXT_BYTES = 1024;
/** What those that stall are sent while they are alone: more than the 4 MB that the kernel takes for each. */
const FILL = { count: 100, bytes: 64 * 1024, perSecond: 50 };
const FILL_MIB = 6.25;
const FILL_MS = 3000;
/** A daemon that closes whoever takes nothing for 30 s does so before this is over. */
const SECONDS = 30;
const SECONDS_QUICK = 5;
const ROUNDS = 2;
const MOST_UNSENT_MIB = 1.25;
const MOST_SLOWER = 1.1;
const SETTLE_MS = 500;
const LOOK_EVERY_MS = 1000;
const MIB = 1024 * 1024;

interface Run {
  times: Float64Array;
  /** The most that one socket held, in bytes. */
  mostUnsent: number;
  /** What is kept in memory for each that stalls, after the garbage collector has run, in bytes. */
  kept: number;
  closed: number;
}

type Side = 'daemon' | 'ws';
type Runs = Map<number, Run>;

export const stalledReaders: Bench = {
  name: 'stalled-readers',
  run: async ({ quick }) => {
    const seconds = quick ? SECONDS_QUICK : SECONDS;
    const daemon: Runs = new Map();
    const ws: Runs = new Map();
    for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
      for (const stalled of [0, ...STALLED]) {
        for (const [side, runs] of [['daemon', daemon] as const, ['ws', ws] as const]) {
          runs.set(stalled, joined(runs.get(stalled), await run({ side, stalled, seconds })));
        }
      }
    }
    return STALLED.flatMap((stalled) => rowsOf(stalled, daemon, ws));
  },
};

const joined = (earlier: Run | undefined, later: Run): Run =>
  earlier
    ? {
        times: Float64Array.from([...earlier.times, ...later.times]),
        mostUnsent: Math.max(earlier.mostUnsent, later.mostUnsent),
        kept: Math.max(earlier.kept, later.kept),
        closed: Math.max(earlier.closed, later.closed),
      }
    : later;

interface RunOptions {
  side: Side;
  stalled: number;
  seconds: number;
}

async function run({ side, ...options }: RunOptions): Promise<Run> {
  const probe = createProbe(side === 'daemon' ? 'server/main.js' : 'plain-ws-server.mjs');
  const crowd = openCrowd();
  const opened = await (side === 'daemon' ? openDaemon : openPlain)(probe);
  try {
    return await measure({ ...options, ...opened, crowd, probe });
  } finally {
    await crowd.close();
    await opened.close();
    probe.close();
  }
}

type Sent = Pick<Load, 'count' | 'bytes'> & { perSecond: number };

interface Opened {
  pid: number;
  entrance: Entrance;
  send: (load: Sent) => Promise<void>;
  close: () => Promise<void>;
}

async function openDaemon({ environment }: Probe): Promise<Opened> {
  const broadcast: Broadcast = await startBroadcast(environment);
  return {
    pid: broadcast.pid,
    entrance: broadcast.entrance(['assistantMessage']),
    send: (load) => broadcast.say({ kind: 'events', ...load }),
    close: broadcast.close,
  };
}

async function openPlain({ environment }: Probe): Promise<Opened> {
  const server = await startReferenceServer('ws', environment);
  // It is ended when everything was measured, which may be before it has sent all.
  const send = async (load: Sent) => void server.pace(load).catch(() => {});
  return { pid: server.pid, entrance: server.entrance, send, close: server.close };
}

interface Measured extends Opened {
  stalled: number;
  seconds: number;
  crowd: Crowd;
  probe: Probe;
}

/** The run without a stall sends the same to the same clients: as many of them as stall at most. */
async function measure({ stalled, seconds, crowd, probe, pid, entrance, send }: Measured): Promise<Run> {
  const filled = stalled || Math.max(...STALLED);
  await crowd.open(entrance, filled);
  if (stalled > 0) await crowd.stall(stalled);
  const before = await probe.look(pid, 'collected');
  await send(FILL);
  await sleep(FILL_MS);
  const filledUp = await probe.look(pid, 'collected');
  const looks = [filledUp];
  await crowd.open(entrance, CLIENTS - filled);
  await sleep(SETTLE_MS);
  await crowd.time();
  await send({ count: seconds * PER_SECOND, bytes: TEXT_BYTES, perSecond: PER_SECOND });
  for (const end = now() + seconds * 1000; now() < end; await sleep(LOOK_EVERY_MS)) looks.push(await probe.look(pid));
  const times = await crowd.timed();
  const mostUnsent = looks.reduce((peak, look) => Math.max(peak, look.mostUnsent), 0);
  const kept = (inUse(filledUp) - inUse(before)) / filled;
  return { times, mostUnsent, kept, closed: await crowd.closed() };
}

const inUse = ({ heapUsed, external }: Insight): number => heapUsed + external;

function rowsOf(stalled: number, daemon: Runs, ws: Runs): Row[] {
  const [ours, calm] = [runOf(daemon, stalled), runOf(daemon, 0)];
  const [theirs, theirsCalm] = [runOf(ws, stalled), runOf(ws, 0)];
  const [times, calmTimes] = [distributionOf([...ours.times]), distributionOf([...calm.times])];
  const [wsTimes, wsCalmTimes] = [distributionOf([...theirs.times]), distributionOf([...theirsCalm.times])];
  const who = `${stalled} of ${CLIENTS} clients stalled, apart`;
  const ratio = times.p99 / calmTimes.p99;
  return [
    {
      figure: `${who}: most unsent for one of them`,
      goal: `≤ ${MOST_UNSENT_MIB} MiB`,
      measured: `${inMib(ours.mostUnsent)}, memory in use +${inMib(ours.kept)} each; ${ours.closed} closed in the end`,
      reference: `ws ${inMib(theirs.mostUnsent)} of ${FILL_MIB} so far, memory +${inMib(theirs.kept)} each, and no end`,
      ratio: ours.mostUnsent / theirs.mostUnsent,
      goalRatio: (MOST_UNSENT_MIB * MIB) / theirs.mostUnsent,
      met: ours.mostUnsent <= MOST_UNSENT_MIB * MIB,
    },
    {
      figure: `${who}: p99 of the others`,
      goal: `≤ ${MOST_SLOWER} × without a stall`,
      measured: `${inMs(times)}; ws ${(wsTimes.p99 / wsCalmTimes.p99).toFixed(2)} ×: ${inMs(wsTimes)}`,
      reference: `without: ${inMs(calmTimes)}; ws ${inMs(wsCalmTimes)}`,
      ratio,
      goalRatio: MOST_SLOWER,
      met: ratio <= MOST_SLOWER,
    },
  ];
}

function runOf(runs: Runs, stalled: number): Run {
  const found = runs.get(stalled);
  if (!found) throw new Error(`there was no run with ${stalled} stalled clients`);
  return found;
}

const inMib = (bytes: number): string => `${digits(bytes / MIB)} MiB`;
