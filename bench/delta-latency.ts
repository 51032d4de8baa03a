/** What the way through the daemon adds to each piece of text: from the API's write to the client, against the bare CLI. */
import type { Reply } from '../demo/messages-api.js';
import type { Bench } from './support/bench.js';
import { now, sleep } from './support/clock.js';
import type { Conversation } from './support/conversation.js';
import { type Distribution, digits, distributionOf, inMs } from './support/distribution.js';
import { setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const MOST_ADDED_P50_MS = 0.5;
const MOST_ADDED_P99_MS = 3;
/** Of each delta; its first characters are its key. */
const CHARACTERS = 24;
const KEY_CHARACTERS = 8;
const MIN_PACE_MS = 4;
const PACE_SPREAD_MS = 8;

export const deltaLatency: Bench = {
  name: 'delta-latency',
  run: async ({ quick }) => {
    const source = createStampedSource(quick ? 100 : 250);
    const stage = await setStage({ script: source.script });
    try {
      const held = stage.held();
      const bare = stage.bare();
      for (const side of [held, bare]) await source.measure(side);
      const heldTimes: number[] = [];
      const bareTimes: number[] = [];
      for (let round = 0; round < (quick ? 2 : 8); round += 1) {
        heldTimes.push(...(await source.measure(held)));
        bareTimes.push(...(await source.measure(bare)));
      }
      return rowsOf(distributionOf(heldTimes), distributionOf(bareTimes));
    } finally {
      await stage.close();
    }
  },
};

/** An API whose every delta is noted down with the time just before it is written. */
function createStampedSource(deltas: number) {
  const writtenAt = new Map<string, number>();
  let next = 0;
  const keyOf = (index: number) => String(index).padStart(KEY_CHARACTERS, '0');
  const reply = (): Reply => {
    const first = next;
    next += deltas;
    let written = 0;
    const keys = Array.from({ length: deltas }, (_, index) => keyOf(first + index).padEnd(CHARACTERS, '.'));
    return {
      kind: 'message',
      blocks: [{ kind: 'text', text: keys.join(''), chunk: CHARACTERS }],
      // Called right after a delta was written: the next one goes out when this is done.
      onDelta: async () => {
        written += 1;
        if (written === deltas) return;
        await sleep(MIN_PACE_MS + Math.random() * PACE_SPREAD_MS);
        writtenAt.set(keyOf(first + written), now());
      },
    };
  };
  return {
    script: reply,
    /** Times of all deltas of a turn but its first, which waits for the message around it. */
    measure: async (side: Conversation): Promise<number[]> => {
      const times: number[] = [];
      await side.turn('Say something long.', (text, at) => {
        for (let from = 0; from < text.length; from += CHARACTERS) {
          const written = writtenAt.get(text.slice(from, from + KEY_CHARACTERS));
          if (written !== undefined) times.push(at - written);
        }
      });
      if (times.length !== deltas - 1) throw new Error(`${times.length} of ${deltas - 1} deltas came`);
      return times;
    },
  };
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
