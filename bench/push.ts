/**
 * How soon a push leaves the daemon, how fast pushes do that were held up, and what a session that streams notices of
 * it. The service is a process of its own; node-apn alone, on the daemon's processor, sends the same to it.
 */
import { openApnsStage } from './support/apns-stage.js';
import type { Bench } from './support/bench.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import {
  type Drain,
  type DrainRound,
  measureDrain,
  measureStreamed,
  type StreamedRound,
} from './support/push-drain.js';
import { measurePushLatency, type PushLatency } from './support/push-latency.js';
import type { Row } from './support/table.js';

const MOST_P50_MS = 20;
const LEAST_PER_SECOND = 2000;
const MOST_SLOWER = 1.1;
const PUSHES = 10_000;
const ROUNDS = 4;
const STREAMED_ROUNDS = 3;

export const push: Bench = {
  name: 'push',
  run: async ({ quick }) => {
    const apns = await openApnsStage();
    try {
      const latency = await measurePushLatency(apns, quick ? 20 : 300);
      const [pushes, rounds] = quick ? [2000, 1] : [PUSHES, ROUNDS];
      const alone: DrainRound[] = [];
      const streamed: StreamedRound[] = [];
      for (let round = 0; round < rounds; round += 1) {
        alone.push(await measureDrain(apns, pushes));
        if (round < STREAMED_ROUNDS) streamed.push(await measureStreamed(apns, pushes));
      }
      return [latencyRow(latency), rateRow(alone), streamRow(streamed)];
    } finally {
      await apns.close();
    }
  },
};

function latencyRow({ pushed, delivered, alone }: PushLatency): Row {
  const [ours, theirs] = [distributionOf(pushed), distributionOf(alone)];
  return {
    figure: 'push, apart: from the CLI writing the end of a turn to the request at APNs, nobody looking',
    goal: `p50 < ${MOST_P50_MS} ms`,
    measured: `${inMs(ours)}; the event at a client ${inMs(distributionOf(delivered))}`,
    reference: `node-apn, from its call: ${inMs(theirs)}`,
    ratio: ours.p50 / theirs.p50,
    goalRatio: MOST_P50_MS / theirs.p50,
    met: ours.p50 < MOST_P50_MS,
  };
}

function rateRow(rounds: DrainRound[]): Row {
  const pushes = rounds[0]?.pushes ?? 0;
  const [ours, theirs] = [medianOf(rounds, ({ daemon }) => daemon), medianOf(rounds, ({ alone }) => alone)];
  const rate = ({ ms }: Drain) => pushes / (ms / 1000);
  const each = ({ processorMs }: Drain) => `${digits((processorMs * 1000) / pushes)} µs of its processor each`;
  return {
    figure: `${pushes} owed pushes fall due at once: requests at APNs`,
    goal: `≥ ${LEAST_PER_SECOND}/s`,
    measured: `${digits(rate(ours))}/s (${each(ours)}; the service ${Math.round((ours.serviceMs / ours.ms) * 100)} % busy)`,
    reference: `node-apn ${digits(rate(theirs))}/s (${each(theirs)}; ${Math.round((theirs.serviceMs / theirs.ms) * 100)} %)`,
    ratio: rate(ours) / rate(theirs),
    goalRatio: LEAST_PER_SECOND / rate(theirs),
    met: rate(ours) >= LEAST_PER_SECOND,
  };
}

function streamRow(rounds: StreamedRound[]): Row {
  const all = (timesOf: (round: StreamedRound) => number[]) => distributionOf(rounds.flatMap(timesOf));
  const [ours, calm] = [all(({ daemon }) => daemon.deltas), all((round) => round.calm)];
  const beside = all(({ alone }) => alone.deltas);
  const ratio = ours.p99 / calm.p99;
  const pushes = rounds[0]?.pushes ?? 0;
  const left = rounds.reduce((sum, round) => sum + round.left, 0);
  const perSecond = left / (rounds.reduce((sum, { daemon }) => sum + daemon.ms, 0) / 1000);
  return {
    figure: `deltas of a session that is watched while ${pushes} pushes are owed: p99`,
    goal: `≤ ${MOST_SLOWER} × without`,
    measured: `${inMs(ours)}; ${digits(perSecond)}/s leave meanwhile`,
    reference: `without: ${inMs(calm)}; node-apn sending as fast beside the daemon ${(beside.p99 / calm.p99).toFixed(2)} ×: ${inMs(beside)}`,
    ratio,
    goalRatio: MOST_SLOWER,
    met: ratio <= MOST_SLOWER,
  };
}

function medianOf<Round>(rounds: Round[], drainOf: (round: Round) => Drain): Drain {
  const median = (value: (drain: Drain) => number) => {
    const sorted = rounds.map((round) => value(drainOf(round))).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  };
  return {
    ms: median(({ ms }) => ms),
    processorMs: median(({ processorMs }) => processorMs),
    serviceMs: median(({ serviceMs }) => serviceMs),
  };
}
