/** What the way through the daemon adds to each piece of text: from the API's write to the client, against the bare CLI. */
import type { Bench } from './support/bench.js';
import type { Conversation } from './support/conversation.js';
import { type Distribution, digits, distributionOf, inMs } from './support/distribution.js';
import { setStage } from './support/stage.js';
import { createStampedSource, keysIn, type StampedSource } from './support/stamped-source.js';
import type { Row } from './support/table.js';

const MOST_ADDED_P50_MS = 0.5;
const MOST_ADDED_P99_MS = 3;
export const deltaLatency: Bench = {
  name: 'delta-latency',
  run: async ({ quick }) => {
    const deltas = quick ? 100 : 250;
    const source = createStampedSource(deltas);
    const stage = await setStage({ script: source.script });
    try {
      const held = stage.held();
      const bare = stage.bare();
      for (const side of [held, bare]) await agesIn(source, side, deltas);
      const heldTimes: number[] = [];
      const bareTimes: number[] = [];
      for (let round = 0; round < (quick ? 2 : 8); round += 1) {
        heldTimes.push(...(await agesIn(source, held, deltas)));
        bareTimes.push(...(await agesIn(source, bare, deltas)));
      }
      return rowsOf(distributionOf(heldTimes), distributionOf(bareTimes));
    } finally {
      await stage.close();
    }
  },
};

/** Ages of all deltas of a turn but its first. */
async function agesIn(source: StampedSource, side: Conversation, deltas: number): Promise<number[]> {
  const ages: number[] = [];
  await side.turn('Say something long.', (text, at) => {
    for (const key of keysIn(text)) {
      const written = source.writtenAt(key);
      if (written !== undefined) ages.push(at - written);
    }
  });
  if (ages.length !== deltas - 1) throw new Error(`${ages.length} of ${deltas - 1} deltas came`);
  return ages;
}

function rowsOf(held: Distribution, bare: Distribution): Row[] {
  const row = (quantile: 'p50' | 'p99', most: number): Row => {
    const added = held[quantile] - bare[quantile];
    return {
      figure: `delta, API to client, ${quantile}: added to the bare CLI`,
      goal: `≤ +${most} ms`,
      measured: `${added < 0 ? '' : '+'}${digits(added)} ms: ${inMs(held)}`,
      reference: inMs(bare),
      ratio: held[quantile] / bare[quantile],
      goalRatio: (bare[quantile] + most) / bare[quantile],
      met: added <= most,
    };
  };
  return [row('p50', MOST_ADDED_P50_MS), row('p99', MOST_ADDED_P99_MS)];
}
