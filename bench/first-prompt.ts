/** From asking for a session in a fresh directory to the first text of its first answer. */
import type { Bench } from './support/bench.js';
import { now, sleep } from './support/clock.js';
import { distributionOf, inMs } from './support/distribution.js';
import { type Stage, setStage } from './support/stage.js';

const MOST_RATIO = 1.05;
const PAUSE_MS = 300;

export const firstPrompt: Bench = {
  name: 'first-prompt',
  run: async ({ quick }) => {
    const stage = await setStage();
    try {
      await measureHeld(stage);
      await measureBare(stage);
      const heldTimes: number[] = [];
      const bareTimes: number[] = [];
      for (let round = 0; round < (quick ? 3 : 15); round += 1) {
        heldTimes.push(await measureHeld(stage));
        bareTimes.push(await measureBare(stage));
      }
      const [held, bare] = [distributionOf(heldTimes), distributionOf(bareTimes)];
      const ratio = held.p50 / bare.p50;
      return [
        {
          figure: 'first prompt of a session to first text',
          goal: `≤ ${MOST_RATIO} × the bare CLI`,
          measured: inMs(held),
          reference: inMs(bare),
          ratio,
          goalRatio: MOST_RATIO,
          met: ratio <= MOST_RATIO,
        },
      ];
    } finally {
      await stage.close();
    }
  },
};

async function measureHeld(stage: Stage): Promise<number> {
  const session = stage.held();
  const { sentAt, firstDeltaAt } = await session.turn('Say something short.');
  await session.close();
  await stage.childless();
  await sleep(PAUSE_MS);
  return firstDeltaAt - sentAt;
}

async function measureBare(stage: Stage): Promise<number> {
  const directory = stage.daemon.project();
  const spawnedAt = now();
  const cli = stage.bare(directory);
  const { firstDeltaAt } = await cli.turn('Say something short.');
  await cli.close();
  await sleep(PAUSE_MS);
  return firstDeltaAt - spawnedAt;
}
