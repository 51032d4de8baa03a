/** What a start costs that finds twenty CLIs alive, and how soon clients know that one which was found has ended. */
import type { Bench } from './support/bench.js';
import { type BenchSocket, isFrame, openBenchSocket } from './support/bench-socket.js';
import { now, sleep, within } from './support/clock.js';
import { type Distribution, digits, distributionOf, inMs } from './support/distribution.js';
import { FLEET_ENVIRONMENT, fleetSize, type LiveSession, openFleet, sizeNote, untilLive } from './support/fleet.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const SESSIONS = 20;
const SESSIONS_QUICK = 4;
const ROUNDS = 15;
const ROUNDS_QUICK = 3;
const MOST_MS = 500;
const MOST_TOLD_MS = 100;
/** The CLIs answer the daemon that has taken them up. */
const SETTLE_MS = 1500;
/** Longer than the daemon's looks are apart, so that an end comes at any time between two of them. */
const MOST_PAUSE_MS = 300;
const TOLD_MS = 10_000;

export const adoption: Bench = {
  name: 'adoption',
  run: async ({ quick }) => {
    const wanted = quick ? SESSIONS_QUICK : SESSIONS;
    const count = await fleetSize(wanted);
    const [full, empty] = [await setStage({ environment: FLEET_ENVIRONMENT }), await setStage()];
    try {
      await openFleet(full, count);
      const starts = await measureStarts({ full, empty, count, rounds: quick ? ROUNDS_QUICK : ROUNDS });
      const adopted = await measureEnds(full, count);
      await openFleet(full, count);
      const own = await measureEnds(full, count);
      const who = `${count} live CLIs${sizeNote(count, wanted)}`;
      return [...startRows(starts, who), endRow(adopted, own)];
    } finally {
      await Promise.all([full.close(), empty.close()]);
    }
  },
};

interface Starts {
  /** From spawning the daemon to its word that it serves, in milliseconds. */
  serving: Distribution;
  /** To the answer that shows every CLI. */
  adopted: Distribution;
  withNothing: Distribution;
  /** To the same answer, without sessions in it. */
  answering: Distribution;
}

interface StartsOptions {
  full: Stage;
  empty: Stage;
  count: number;
  rounds: number;
}

async function measureStarts({ full, empty, count, rounds }: StartsOptions): Promise<Starts> {
  const withAll = [];
  const withNone = [];
  for (let round = 0; round < rounds; round += 1) {
    withAll.push(await measureStart(full, count));
    withNone.push(await measureStart(empty, 0));
  }
  return {
    serving: distributionOf(withAll.map(({ serving }) => serving)),
    adopted: distributionOf(withAll.map(({ adopted }) => adopted)),
    withNothing: distributionOf(withNone.map(({ serving }) => serving)),
    answering: distributionOf(withNone.map(({ adopted }) => adopted)),
  };
}

async function measureStart({ daemon }: Stage, count: number): Promise<{ serving: number; adopted: number }> {
  await sleep(SETTLE_MS);
  await daemon.kill('SIGKILL');
  const spawnedAt = now();
  await daemon.start();
  const serving = now() - spawnedAt;
  await untilLive(daemon, count);
  return { serving, adopted: now() - spawnedAt };
}

/** Ends one CLI after the other; returns how long it took each time until a client heard of it. */
async function measureEnds({ daemon }: Stage, count: number): Promise<Distribution> {
  const sessions = await untilLive(daemon, count);
  const socket = await openBenchSocket(daemon);
  await subscribe(socket, sessions.length);
  const times: number[] = [];
  for (const session of sessions) {
    await sleep(Math.random() * MOST_PAUSE_MS);
    const told = nextWordOf(socket, session);
    const killedAt = now();
    process.kill(session.pid, 'SIGKILL');
    times.push((await told) - killedAt);
  }
  await socket.close();
  return distributionOf(times);
}

/** Resolves when this client has all that was said before. */
async function subscribe(socket: BenchSocket, count: number): Promise<void> {
  let missing = count;
  const caughtUp = new Promise<void>((resolve) => {
    const stop = socket.listen((frame) => {
      if (isFrame(frame, 'caughtUp')) missing -= 1;
      if (missing > 0) return;
      stop();
      resolve();
    });
  });
  socket.send('subscribe', { events: ['*'] });
  await within(caughtUp, TOLD_MS, 'the subscription');
}

/** When the end of its CLI was told, as an error or as a status, whichever came first. */
function nextWordOf(socket: BenchSocket, { sessionId }: LiveSession): Promise<number> {
  const told = new Promise<number>((resolve) => {
    const stop = socket.listen((frame, at) => {
      if (!isFrame(frame, 'error') && !isFrame(frame, 'sessionStatus')) return;
      if (!frame.includes(sessionId)) return;
      stop();
      resolve(at);
    });
  });
  return within(told, TOLD_MS, 'the news of an end');
}

function startRows({ serving, adopted, withNothing, answering }: Starts, who: string): Row[] {
  return [
    startRow({ figure: `start after kill -9 with ${who}, to serving`, measured: serving, reference: withNothing }),
    startRow({
      figure: `start after kill -9 with ${who}, until all are seen adopted`,
      measured: adopted,
      reference: answering,
    }),
  ];
}

interface StartRow {
  figure: string;
  measured: Distribution;
  reference: Distribution;
}

const startRow = ({ figure, measured, reference }: StartRow): Row => {
  const added = measured.p50 - reference.p50;
  return {
    figure,
    goal: `+ < ${MOST_MS} ms`,
    measured: `+${digits(added)} ms: ${inMs(measured)}`,
    reference: `no session: ${inMs(reference)}`,
    ratio: measured.p50 / reference.p50,
    goalRatio: (reference.p50 + MOST_MS) / reference.p50,
    met: added < MOST_MS,
  };
};

const endRow = (adopted: Distribution, own: Distribution): Row => ({
  figure: 'an adopted CLI is killed: until a client knows, p99',
  goal: `< ${MOST_TOLD_MS} ms`,
  measured: `${digits(adopted.p99)} ms: ${inMs(adopted)}`,
  reference: `one of the daemon's own: ${inMs(own)}`,
  ratio: adopted.p99 / own.p99,
  goalRatio: MOST_TOLD_MS / own.p99,
  met: adopted.p99 < MOST_TOLD_MS,
});
