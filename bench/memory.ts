/** What the daemon weighs, and works, while nothing happens. Its children are not counted. */
import type { Bench } from './support/bench.js';
import { now, sleep } from './support/clock.js';
import { digits } from './support/distribution.js';
import { processorSeconds, residentMib } from './support/process-figures.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const SESSIONS = 5;
const MOST_IDLE_MIB = 80;
const MOST_HOLDING_MIB = 90;
const MOST_PROCESSOR = 0.005;

export const memory: Bench = {
  name: 'memory',
  run: async ({ quick }) => {
    const restMs = quick ? 5000 : 60_000;
    const stage = await setStage();
    try {
      const idle = await rest(stage, restMs);
      for (let session = 0; session < SESSIONS; session += 1) await stage.held().turn('Say something short.');
      const holding = await rest(stage, restMs);
      return [
        memoryRow('daemon at rest, memory', idle.mib, MOST_IDLE_MIB),
        memoryRow(`daemon at rest with ${SESSIONS} sessions, memory`, holding.mib, MOST_HOLDING_MIB),
        {
          figure: `daemon at rest with ${SESSIONS} sessions, processor`,
          goal: `< ${MOST_PROCESSOR * 100} % of a core`,
          measured: `${digits(holding.processor * 100)} %`,
          reference: '',
          met: holding.processor < MOST_PROCESSOR,
        },
      ];
    } finally {
      await stage.close();
    }
  },
};

async function rest({ daemon }: Stage, ms: number): Promise<{ mib: number; processor: number }> {
  await sleep(1000);
  const [from, used] = [now(), processorSeconds(daemon.pid)];
  await sleep(ms);
  const processor = (processorSeconds(daemon.pid) - used) / ((now() - from) / 1000);
  return { mib: residentMib(daemon.pid), processor };
}

const memoryRow = (figure: string, mib: number, most: number): Row => ({
  figure,
  goal: `< ${most} MB`,
  measured: `${digits(mib)} MB`,
  reference: '',
  met: mib < most,
});
