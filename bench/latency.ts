/** How old a message is when each of a thousand subscribers has it, twenty times a second. */
import type { Bench } from './support/bench.js';
import { type Broadcast, startBroadcast } from './support/broadcast.js';
import { sleep, within } from './support/clock.js';
import { type Crowd, type Entrance, openCrowd } from './support/crowd.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import type { Load } from './support/load.js';
import { startReferenceServer } from './support/reference-server.js';
import type { Row } from './support/table.js';

const CLIENTS = 1000;
const PER_SECOND = 20;
/** The text of an event or a delta; with what stands around it a frame is about as long as those of the others. */
const TEXT_BYTES = 32;
const REFERENCE_BYTES = 256;
const MOST_P50_MS = 3;
const MOST_P99_MS = 10;
const SETTLE_MS = 500;
/** How much longer than its time a round may take on a busy machine. */
const LATE_MS = 60_000;
const POLL_MS = 200;

interface Round {
  events: Float64Array;
  deltas: Float64Array;
  ws: Float64Array;
  socketIo: Float64Array;
}

export const latency: Bench = {
  name: 'latency',
  run: async ({ quick }) => {
    const seconds = quick ? 3 : 10;
    const rounds: Round[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round += 1) {
      rounds.push({
        ...(await measureDaemon(seconds)),
        ws: await measureReference('ws', seconds),
        socketIo: await measureReference('socket.io', seconds),
      });
    }
    return [...rowsOf('events', rounds), ...rowsOf('deltas', rounds)];
  },
};

async function measureDaemon(seconds: number): Promise<Pick<Round, 'events' | 'deltas'>> {
  const crowd = openCrowd();
  let broadcast: Broadcast | undefined;
  try {
    broadcast = await startBroadcast();
    const { say } = broadcast;
    const measureKind = (kind: Load['kind'], type: string) => {
      const load = { kind, count: seconds * PER_SECOND, bytes: TEXT_BYTES, perSecond: PER_SECOND };
      const entrance = broadcast?.entrance([type], kind) as Entrance;
      return measure({ crowd, entrance, seconds }, () => say(load));
    };
    return {
      events: await measureKind('events', 'assistantMessage'),
      deltas: await measureKind('deltas', 'streamData'),
    };
  } finally {
    await crowd.close();
    await broadcast?.close();
  }
}

async function measureReference(kind: 'ws' | 'socket.io', seconds: number): Promise<Float64Array> {
  const crowd = openCrowd();
  const server = await startReferenceServer(kind);
  const load = { count: seconds * PER_SECOND, bytes: REFERENCE_BYTES, perSecond: PER_SECOND };
  try {
    return await measure({ crowd, entrance: server.entrance, seconds }, () => server.pace(load));
  } finally {
    await crowd.close();
    await server.close();
  }
}

interface Measured {
  crowd: Crowd;
  entrance: Entrance;
  seconds: number;
}

async function measure({ crowd, entrance, seconds }: Measured, send: () => Promise<void>): Promise<Float64Array> {
  await crowd.open(entrance, CLIENTS);
  await sleep(SETTLE_MS);
  await crowd.time();
  await send();
  const expected = seconds * PER_SECOND * CLIENTS;
  await within(untilTimed(crowd, expected), seconds * 1000 + LATE_MS, `the arrival of ${expected} messages`);
  const times = await crowd.timed();
  await crowd.closeClients();
  return times;
}

async function untilTimed(crowd: Crowd, expected: number): Promise<void> {
  while ((await crowd.timedCount()) < expected) await sleep(POLL_MS);
}

function rowsOf(kind: 'events' | 'deltas', rounds: Round[]): Row[] {
  const all = (name: keyof Round) => distributionOf(rounds.flatMap((round) => [...round[name]]));
  const [ours, ws, socketIo] = [all(kind), all('ws'), all('socketIo')];
  const row = (quantile: 'p50' | 'p99', most: number): Row => ({
    figure: `${kind} to ${CLIENTS} clients, apart, ${PER_SECOND}/s, ${quantile}, from the CLI's write to arrival`,
    goal: `< ${most} ms`,
    measured: `${digits(ours[quantile])} ms: ${inMs(ours)}`,
    reference: `ws ${inMs(ws)}; socket.io ${inMs(socketIo)}`,
    ratio: ours[quantile] / ws[quantile],
    goalRatio: most / ws[quantile],
    met: ours[quantile] < most,
  });
  return [row('p50', MOST_P50_MS), row('p99', MOST_P99_MS)];
}
