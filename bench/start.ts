/** From spawning the daemon to its word that it serves on a home that was used before. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Daemon } from '../tests/support/daemon.js';
import type { Bench } from './support/bench.js';
import { now, sleep } from './support/clock.js';
import { distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { setStage } from './support/stage.js';

const MOST_MS = 300;
/** After it serves, the daemon asks the CLI for its login. */
const SETTLE_MS = 300;

export const start: Bench = {
  name: 'start',
  run: async ({ quick }) => {
    const rounds = quick ? 4 : 15;
    const stage = await setStage({ binary: FAKE_CLI });
    try {
      const daemonTimes: number[] = [];
      const nodeTimes: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        daemonTimes.push(await measureDaemon(stage.daemon));
        nodeTimes.push(await measureNode());
      }
      const [daemon, node] = [distributionOf(daemonTimes), distributionOf(nodeTimes)];
      return [
        {
          figure: 'daemon start to serving',
          goal: `< ${MOST_MS} ms`,
          measured: inMs(daemon),
          reference: `node -e 0: ${inMs(node)}`,
          ratio: daemon.p50 / node.p50,
          goalRatio: MOST_MS / node.p50,
          met: daemon.p50 < MOST_MS,
        },
      ];
    } finally {
      await stage.close();
    }
  },
};

async function measureDaemon(daemon: Daemon): Promise<number> {
  await sleep(SETTLE_MS);
  await daemon.kill('SIGTERM');
  const spawnedAt = now();
  await daemon.start();
  return now() - spawnedAt;
}

async function measureNode(): Promise<number> {
  await sleep(SETTLE_MS);
  const spawnedAt = now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return now() - spawnedAt;
}
