/** From a prompt for a hibernated session to the first text of its answer, beside the bare CLI that resumes its like. */
import { randomUUID } from 'node:crypto';
import type { ApiRequest, Reply } from '../demo/messages-api.js';
import type { Bench } from './support/bench.js';
import { now, sleep, within } from './support/clock.js';
import type { Conversation } from './support/conversation.js';
import { type Distribution, distributionOf, inMs } from './support/distribution.js';
import { sessionsOf } from './support/fleet.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const MOST_MS = 600;
/** Of each round: the conversation grows by as much on both sides. */
const SHORT = 'Say something short.';
const LONG = 'Say something long.';
const LONG_BYTES = 100_000;
/** Five megabytes. */
const LONG_TURNS = 50;
const LONG_TURNS_QUICK = 5;
const ROUNDS = 15;
const ROUNDS_QUICK = 3;
const IDLE_MS = 300;
const PAUSE_MS = 300;
const POLL_MS = 25;
const HIBERNATED_MS = 20_000;

export const wake: Bench = {
  name: 'wake',
  run: async ({ quick }) => {
    const stage = await setStage({ script: answer, environment: { IDLE_HIBERNATE_MS: String(IDLE_MS) } });
    const rounds = quick ? ROUNDS_QUICK : ROUNDS;
    try {
      const turns = quick ? LONG_TURNS_QUICK : LONG_TURNS;
      const small = await measure(stage, { rounds, first: [SHORT] });
      const large = await measure(stage, { rounds, first: Array.from({ length: turns }, () => LONG) });
      return [rowOf('a short conversation', small), rowOf(`one of ${(turns * LONG_BYTES) / 1e6} MB`, large)];
    } finally {
      await stage.close();
    }
  },
};

function answer({ messages }: ApiRequest): Reply {
  const asked = JSON.stringify(messages.findLast(({ role }) => role === 'user')?.content);
  const text = asked.includes(LONG) ? 'A long answer. '.padEnd(LONG_BYTES, 'and so on, ') : 'This answer is short.';
  return { kind: 'message', blocks: [{ kind: 'text', text, chunk: 4096 }] };
}

interface Measured {
  held: Distribution;
  bare: Distribution;
}

async function measure(stage: Stage, { rounds, first }: { rounds: number; first: string[] }): Promise<Measured> {
  const held = stage.held();
  const directory = stage.daemon.project();
  const claudeSessionId = randomUUID();
  await hold(held, first);
  const bare = stage.bare(directory, [`--session-id=${claudeSessionId}`]);
  await hold(bare, first);
  await bare.close();
  const resumed = () => stage.bare(directory, [`--resume=${claudeSessionId}`]);
  const heldTimes: number[] = [];
  const bareTimes: number[] = [];
  // The first of each is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    heldTimes.push(await measureHeld(stage, held));
    bareTimes.push(await measureBare(resumed));
  }
  return { held: distributionOf(heldTimes.slice(1)), bare: distributionOf(bareTimes.slice(1)) };
}

async function hold(conversation: Conversation, prompts: string[]): Promise<void> {
  for (const prompt of prompts) await conversation.turn(prompt);
}

async function measureHeld({ daemon }: Stage, session: Conversation): Promise<number> {
  const hibernated = async () => {
    while ((await sessionsOf(daemon)).some(({ pid, status }) => pid !== undefined || status !== 'hibernated')) {
      await sleep(POLL_MS);
    }
  };
  await within(hibernated(), HIBERNATED_MS, 'hibernation');
  await sleep(PAUSE_MS);
  const { sentAt, firstDeltaAt } = await session.turn(SHORT);
  return firstDeltaAt - sentAt;
}

async function measureBare(open: () => Conversation): Promise<number> {
  await sleep(PAUSE_MS);
  const spawnedAt = now();
  const cli = open();
  const { firstDeltaAt } = await cli.turn(SHORT);
  await cli.close();
  return firstDeltaAt - spawnedAt;
}

function rowOf(what: string, { held, bare }: Measured): Row {
  return {
    figure: `hibernated, ${what}: prompt to first text`,
    goal: `< ${MOST_MS} ms`,
    measured: inMs(held),
    reference: `bare CLI --resume: ${inMs(bare)}`,
    ratio: held.p50 / bare.p50,
    goalRatio: MOST_MS / bare.p50,
    met: held.p50 < MOST_MS,
  };
}
