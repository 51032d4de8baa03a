/** From spawning the daemon to its word that it serves, with a gigabyte of journal and one child that lived on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './support/bench.js';
import { openBenchSocket } from './support/bench-socket.js';
import { now, sleep } from './support/clock.js';
import { type Distribution, digits, distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { openHeldSession } from './support/held-session.js';
import { promptOf } from './support/load.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';
import { newSessionId, ownerOf, writeJournal } from './support/written-journal.js';

const MOST_MS = 500;
/** Within what retention keeps of each session. */
const SESSIONS = 20;
const EVENTS = 9000;
const TEXT_BYTES = 5700;
const QUICK_SHARE = 0.05;
const ROUNDS = 15;
const SETTLE_MS = 300;
/** Left in the write-ahead log when the daemon is killed. */
const LAST_WORDS = promptOf({ kind: 'events', count: 300, bytes: 4096, batch: 20 });
const GB = 1e9;

export const restart: Bench = {
  name: 'restart',
  run: async ({ quick }) => {
    const rounds = quick ? 3 : ROUNDS;
    const [full, empty] = [await setStage({ binary: FAKE_CLI }), await setStage({ binary: FAKE_CLI })];
    try {
      await fill(full, quick ? EVENTS * QUICK_SHARE : EVENTS);
      const ended: number[] = [];
      const killed: number[] = [];
      const withNothing: number[] = [];
      const node: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        ended.push(await measure(full, 'SIGTERM'));
        killed.push(await measure(full, 'SIGKILL'));
        withNothing.push(await measure(empty, 'SIGTERM'));
        node.push(await measureNode());
      }
      const references = { empty: distributionOf(withNothing), node: distributionOf(node) };
      const size = sizeOf(full);
      return [
        rowOf({ how: 'SIGTERM', size, times: distributionOf(ended), ...references }),
        rowOf({ how: 'kill -9', size, times: distributionOf(killed), ...references }),
      ];
    } finally {
      await Promise.all([full.close(), empty.close()]);
    }
  },
};

async function fill({ daemon }: Stage, events: number): Promise<void> {
  await daemon.kill('SIGTERM');
  const sessions = Array.from({ length: SESSIONS }, () => {
    return { sessionId: newSessionId(), directory: daemon.project(), events, bytes: TEXT_BYTES };
  });
  await writeJournal({ home: daemon.home, owner: ownerOf(daemon.home), sessions });
  await daemon.start();
}

const sizeOf = ({ daemon }: Stage): number => statSync(join(daemon.home, 'journal.db')).size;

/** A turn before each end leaves something to recover, and a child to take up again. */
async function measure({ daemon }: Stage, signal: NodeJS.Signals): Promise<number> {
  const socket = await openBenchSocket(daemon);
  await openHeldSession(socket, daemon.root).turn(LAST_WORDS);
  await socket.close();
  await sleep(SETTLE_MS);
  await daemon.kill(signal);
  const spawnedAt = now();
  await daemon.start();
  return now() - spawnedAt;
}

async function measureNode(): Promise<number> {
  const spawnedAt = now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return now() - spawnedAt;
}

interface RowOptions {
  how: string;
  /** Of the journal, in bytes. */
  size: number;
  times: Distribution;
  empty: Distribution;
  node: Distribution;
}

const rowOf = ({ how, size, times, empty, node }: RowOptions): Row => ({
  figure: `restart after ${how} with ${digits(size / GB)} GB of journal, one child held, to serving`,
  goal: `< ${MOST_MS} ms`,
  measured: inMs(times),
  reference: `empty journal: ${inMs(empty)}; node -e 0: ${inMs(node)}`,
  ratio: times.p50 / empty.p50,
  goalRatio: MOST_MS / empty.p50,
  met: times.p50 < MOST_MS,
});
