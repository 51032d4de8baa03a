/** From sending a prompt to the first text of its answer, in a session whose CLI is running. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Bench } from './support/bench.js';
import { now, sleep } from './support/clock.js';
import { type Conversation, firstDeltaMs } from './support/conversation.js';
import { distributionOf, inMs } from './support/distribution.js';
import { type Stage, setStage } from './support/stage.js';

const MOST_RATIO = 1.05;
const WARM_UP = 5;
/** After a turn the CLI still writes its transcript; a person's prompts meet a daemon that has been idle, too. */
const PAUSE_MS = 120;

export const warmPrompt: Bench = {
  name: 'warm-prompt',
  run: async ({ quick }) => {
    const stage = await setStage();
    try {
      const held = stage.held();
      const bare = stage.bare();
      for (let turn = 0; turn < WARM_UP; turn += 1) for (const side of [held, bare]) await measure(side);
      const heldTimes: number[] = [];
      const bareTimes: number[] = [];
      for (let round = 0; round < (quick ? 10 : 100); round += 1) {
        heldTimes.push(await measure(held));
        bareTimes.push(await measure(bare));
      }
      const spawnTimes: number[] = [];
      for (let round = 0; round < (quick ? 2 : 5); round += 1) spawnTimes.push(await measureSpawned(stage));
      await bare.close();
      return rowsOf({ heldTimes, bareTimes, spawnTimes });
    } finally {
      await stage.close();
    }
  },
};

async function measure(conversation: Conversation): Promise<number> {
  const turn = await conversation.turn('Say something short.');
  await sleep(PAUSE_MS);
  return firstDeltaMs(turn);
}

/** What it takes where a CLI is started for every prompt. */
async function measureSpawned({ binary, childEnvironment, daemon }: Stage): Promise<number> {
  const args = ['--print', '--output-format=stream-json', '--verbose', '--include-partial-messages'];
  const sentAt = now();
  const child = spawn(binary, [...args, 'Say something short.'], {
    cwd: daemon.project(),
    env: childEnvironment,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let firstDeltaAt = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    if (chunk.includes('"type":"content_block_delta"')) firstDeltaAt ||= now();
  });
  await once(child, 'close');
  await sleep(PAUSE_MS);
  return firstDeltaAt - sentAt;
}

interface Times {
  heldTimes: number[];
  bareTimes: number[];
  spawnTimes: number[];
}

function rowsOf({ heldTimes, bareTimes, spawnTimes }: Times) {
  const [held, bare, spawned] = [distributionOf(heldTimes), distributionOf(bareTimes), distributionOf(spawnTimes)];
  const ratio = held.p50 / bare.p50;
  return [
    {
      figure: 'warm prompt to first text',
      goal: `≤ ${MOST_RATIO} × the bare warm CLI`,
      measured: inMs(held),
      reference: inMs(bare),
      ratio,
      goalRatio: MOST_RATIO,
      met: ratio <= MOST_RATIO,
    },
    {
      figure: 'warm prompt to first text, against a CLI for each prompt',
      goal: '',
      measured: inMs(held),
      reference: inMs(spawned),
      ratio: held.p50 / spawned.p50,
    },
  ];
}
