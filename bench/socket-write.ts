/**
 * From the CLI's write of a line to the arrival of its text at a client, with twenty sessions writing at once. This is
 * more than what the figure is about, for the socket's write comes before the arrival: an upper bound of it.
 */
import type { Bench } from './support/bench.js';
import { dataOf, isFrame } from './support/bench-socket.js';
import { now, sleep, within } from './support/clock.js';
import { type Conversation, TURN_MS } from './support/conversation.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { processorSeconds } from './support/process-figures.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const SESSIONS = 20;
const PER_SECOND = 150;
/** A block is written to the journal when it ends: forty a second over all sessions. */
const PER_BLOCK = 75;
/** Of each delta of the fake CLI. */
const CHARACTERS = 24;
/** Between the prompts of two sessions: nobody sends twenty at once. */
const STAGGER_MS = 50;
const ROUND_SECONDS = 6;
const MOST_P50_MS = 0.3;
const MOST_P99_MS = 2;

export const socketWrite: Bench = {
  name: 'socket-write',
  run: async ({ quick }) => {
    const stage = await setStage({ binary: FAKE_CLI, environment: { MAX_PROCESSES: String(2 * SESSIONS) } });
    try {
      const clis = Array.from({ length: SESSIONS }, () => stage.bare());
      await Promise.all(clis.map((cli) => cli.turn(loadOf(1))));
      const sessionIds = await startSessions(stage);
      const rounds: { held: Held; bare: number[] }[] = [];
      for (let round = 0; round < (quick ? 1 : 5); round += 1) {
        const held = await measureHeld(stage, sessionIds);
        rounds.push({ held, bare: await measureBare(clis) });
      }
      return rowsOf(rounds);
    } finally {
      await stage.close();
    }
  },
};

const loadOf = (seconds: number): string =>
  JSON.stringify({ deltas: seconds * PER_SECOND, perSecond: PER_SECOND, perBlock: PER_BLOCK });

/** The same writers with their stdout read by this process, and nothing between. */
async function measureBare(clis: Conversation[]): Promise<number[]> {
  const arrivals = new Arrivals();
  const turns: Promise<unknown>[] = [];
  for (const cli of clis) {
    turns.push(cli.turn(loadOf(ROUND_SECONDS), (text, at) => arrivals.add(text, at)));
    await sleep(STAGGER_MS);
  }
  await Promise.all(turns);
  return arrivals.steady();
}

interface Held {
  times: number[];
  /** Deltas that came, in all. */
  received: number;
  /** Of the daemon, as a share of one core. */
  processor: number;
}

async function measureHeld(stage: Stage, sessionIds: string[]): Promise<Held> {
  const { socket, daemon } = stage;
  const arrivals = new Arrivals();
  const stop = socket.listen((frame, at) => {
    if (isFrame(frame, 'streamData')) arrivals.add(dataOf<{ content: { text: string } }>(frame).content.text, at);
  });
  const [startedAt, usedBefore] = [now(), processorSeconds(daemon.pid)];
  const ended = countFrames(stage, 'streamComplete');
  for (const sessionId of sessionIds) {
    socket.send('streamSend', { sessionId, prompt: loadOf(ROUND_SECONDS) });
    await sleep(STAGGER_MS);
  }
  await ended;
  const processor = (processorSeconds(daemon.pid) - usedBefore) / ((now() - startedAt) / 1000);
  stop();
  return { times: arrivals.steady(), received: arrivals.count, processor };
}

/** When deltas were written and how long they took. */
class Arrivals {
  readonly #all: { writtenAt: number; took: number }[] = [];

  get count(): number {
    return this.#all.length;
  }

  /** The daemon may join deltas to one frame; each has its own time of writing. */
  add(text: string, at: number): void {
    for (let from = 0; from < text.length; from += CHARACTERS) {
      const writtenAt = Number(text.slice(from, from + CHARACTERS));
      this.#all.push({ writtenAt, took: at - writtenAt });
    }
  }

  /** Of the time in which every session wrote: from the start of the last to the end of the first. */
  steady(): number[] {
    const first = this.#all.reduce((least, { writtenAt }) => Math.min(least, writtenAt), Number.POSITIVE_INFINITY);
    const [from, to] = [first + SESSIONS * STAGGER_MS, first + ROUND_SECONDS * 1000];
    const steady = this.#all.filter(({ writtenAt }) => writtenAt >= from && writtenAt <= to);
    return steady.map(({ took }) => took);
  }
}

async function startSessions(stage: Stage): Promise<string[]> {
  const sessionIds: string[] = [];
  const stop = stage.socket.listen((frame) => {
    if (isFrame(frame, 'streamStarted')) sessionIds.push(dataOf<{ sessionId: string }>(frame).sessionId);
  });
  const ended = countFrames(stage, 'streamComplete');
  for (let started = 0; started < SESSIONS; started += 1) {
    stage.socket.send('streamStart', { prompt: loadOf(1), workingDirectory: stage.daemon.project() });
  }
  await ended;
  stop();
  await sleep(500);
  return sessionIds;
}

/** Resolves when each session has sent one of these. */
function countFrames({ socket }: Stage, type: string): Promise<void> {
  let missing = SESSIONS;
  const all = new Promise<void>((resolve) => {
    const stop = socket.listen((frame) => {
      if (!isFrame(frame, type)) return;
      missing -= 1;
      if (missing > 0) return;
      stop();
      resolve();
    });
  });
  return within(all, TURN_MS, `${type} of ${SESSIONS} sessions`);
}

function rowsOf(rounds: { held: Held; bare: number[] }[]): Row[] {
  const held = distributionOf(rounds.flatMap((round) => round.held.times));
  const bare = distributionOf(rounds.flatMap((round) => round.bare));
  const received = rounds.reduce((sum, round) => sum + round.held.received, 0);
  const expected = rounds.length * SESSIONS * PER_SECOND * ROUND_SECONDS;
  const processor = rounds.reduce((sum, round) => sum + round.held.processor, 0) / rounds.length;
  const load = `${SESSIONS} × ${PER_SECOND}/s`;
  const lessHop = held.p50 - bare.p50;
  const row = (quantile: 'p50' | 'p99', most: number): Row => ({
    figure: `CLI line to client, ${load}, ${quantile} (more than to socket write)`,
    goal: `< ${most} ms`,
    measured: inMs(held),
    reference: inMs(bare),
    ratio: held[quantile] / bare[quantile],
    goalRatio: most / bare[quantile],
    met: held[quantile] < most,
  });
  return [
    row('p50', MOST_P50_MS),
    row('p99', MOST_P99_MS),
    {
      figure: 'the same less one hop as long as the bare one, p50 (estimate)',
      goal: `< ${MOST_P50_MS} ms`,
      measured: `${digits(lessHop)} ms`,
      reference: '',
      met: lessHop < MOST_P50_MS,
    },
    {
      figure: "deltas received, and the daemon's processor meanwhile",
      goal: String(expected),
      measured: `${received}, ${digits(processor * 100)} % of a core`,
      reference: '',
      met: received === expected,
    },
  ];
}
