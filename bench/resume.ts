/**
 * A device comes back after it has missed events: from its request for the upgrade to the arrival of `caughtUp`, which is
 * a little more than the server's part. Beside it, the same rows read from the same file and nothing done with them.
 */
import { join } from 'node:path';
import { openDatabase } from '../services/record/sqlite/schema.js';
import type { SqliteDatabase } from '../services/record/sqlite/sqlite-database.js';
import { TOKEN } from '../tests/support/daemon.js';
import type { Bench } from './support/bench.js';
import { now } from './support/clock.js';
import { keepOn } from './support/cores.js';
import { type Crowd, openCrowd } from './support/crowd.js';
import { type Distribution, digits, distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { processorSeconds } from './support/process-figures.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';
import { newSessionId, ownerOf, writeJournal } from './support/written-journal.js';

const CASES = [
  { missed: 1000, mostMs: 25, rounds: 300 },
  { missed: 10_000, mostMs: 150, rounds: 100 },
];
const QUICK_SHARE = 0.05;
const EVENTS = 10_000;
/** The text of an event; with what stands around it a frame has about half a KiB. */
const TEXT_BYTES = 200;
const WARM_UP = 3;

export const resume: Bench = {
  name: 'resume',
  run: async ({ quick }) => {
    // Retention is not to take what is to be missed.
    const stage = await setStage({ binary: FAKE_CLI, environment: { RETENTION_EVENTS: String(2 * EVENTS) } });
    const crowd = openCrowd();
    try {
      const sessionId = await prepare(stage);
      const database = openDatabase(join(stage.daemon.home, 'journal.db'));
      const rows: Row[] = [];
      for (const { rounds, ...one } of CASES) {
        const options = { ...one, rounds: Math.ceil(rounds * (quick ? QUICK_SHARE : 1)), stage, crowd };
        rows.push(rowOf({ ...one, ...(await measure({ ...options, sessionId, database })) }));
      }
      database.close();
      return rows;
    } finally {
      await crowd.close();
      await stage.close();
    }
  },
};

/** Writes what was missed while the daemon is away. */
async function prepare({ daemon }: Stage): Promise<string> {
  await daemon.kill('SIGTERM');
  const sessionId = newSessionId();
  await writeJournal({
    home: daemon.home,
    owner: ownerOf(daemon.home),
    sessions: [{ sessionId, directory: daemon.project(), events: EVENTS, bytes: TEXT_BYTES }],
    devices: CASES.map(({ missed }) => ({ deviceId: deviceOf(missed), missed })),
  });
  await daemon.start();
  keepOn(daemon.pid, 'server');
  return sessionId;
}

const deviceOf = (missed: number) => `missed-${missed}`;

interface Measured {
  stage: Stage;
  crowd: Crowd;
  sessionId: string;
  database: SqliteDatabase;
  missed: number;
  rounds: number;
}

async function measure({ stage, crowd, sessionId, database, missed, rounds }: Measured) {
  const port = Number(new URL(stage.daemon.url).port);
  const read = database.prepare(
    'SELECT seq, type, at, data, message_id FROM events WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?',
  );
  const times: number[] = [];
  const bareTimes: number[] = [];
  let usedBefore = 0;
  for (let round = 0; round < WARM_UP + rounds; round += 1) {
    if (round === WARM_UP) usedBefore = processorSeconds(stage.daemon.pid);
    const { ms, types } = await crowd.resume({ port, token: TOKEN, device: deviceOf(missed) });
    const came = types.assistantMessage?.count;
    if (came !== missed) throw new Error(`${came} of ${missed} missed events came`);
    const startedAt = now();
    if (read.all(sessionId, EVENTS - missed, missed).length !== missed) throw new Error('rows are missing');
    const bareMs = now() - startedAt;
    if (round < WARM_UP) continue;
    times.push(ms);
    bareTimes.push(bareMs);
  }
  const processorMs = ((processorSeconds(stage.daemon.pid) - usedBefore) * 1000) / rounds;
  return { times: distributionOf(times), bareTimes: distributionOf(bareTimes), processorMs };
}

interface RowOptions {
  missed: number;
  mostMs: number;
  times: Distribution;
  bareTimes: Distribution;
  /** That one resume takes of the daemon's processor. */
  processorMs: number;
}

const rowOf = ({ missed, mostMs, times, bareTimes, processorMs }: RowOptions): Row => ({
  figure: `resume after ${missed} missed events, apart, p99, upgrade to caughtUp as the client sees it`,
  goal: `< ${mostMs} ms`,
  measured: `${digits(times.p99)} ms: ${inMs(times)}, ${digits(processorMs)} ms of processor each`,
  reference: `reading the rows: ${inMs(bareTimes)}`,
  ratio: times.p99 / bareTimes.p99,
  goalRatio: mostMs / bareTimes.p99,
  met: times.p99 < mostMs,
});
