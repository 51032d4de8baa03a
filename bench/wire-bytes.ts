/** What text costs a phone: bytes on the wire for each byte of text, and what compressing adds to each piece. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reply } from '../demo/messages-api.js';
import type { Bench } from './support/bench.js';
import { type BenchSocket, dataOf, isFrame, openBenchSocket } from './support/bench-socket.js';
import { sleep } from './support/clock.js';
import { digits, distributionOf } from './support/distribution.js';
import { setStage } from './support/stage.js';
import type { Row } from './support/table.js';

const MOST_COMPRESSED = 2;
const MOST_JOINED = 1.3;
const MOST_ADDED_P99_MS = 1;
const INTERVAL_MS = 50;
/** Of each delta, and how many come in a second. */
const CHARACTERS = 20;
const PER_SECOND = 330;
/** Prose that somebody wrote: made-up text compresses too well, or not at all. */
const PROSE = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8').replace(/[^\x20-\x7e]+/g, ' ');

interface Piece {
  messageId: string;
  offset: number;
  content: { text: string };
}

/** When each piece came, by where it begins. */
function timesOf(socket: BenchSocket): { times: Map<string, number>; close: () => void } {
  const times = new Map<string, number>();
  const close = socket.listen((frame, at) => {
    if (!isFrame(frame, 'streamData')) return;
    const { messageId, offset } = dataOf<Piece>(frame);
    times.set(`${messageId}/${offset}`, at);
  });
  return { times, close };
}

export const wireBytes: Bench = {
  name: 'wire-bytes',
  run: async ({ quick }) => {
    const text = PROSE.slice(0, quick ? 4000 : 20_000);
    const reply = (): Reply => ({
      kind: 'message',
      blocks: [{ kind: 'text', text, chunk: CHARACTERS }],
      onDelta: () => sleep(1000 / PER_SECOND),
    });
    const stage = await setStage({ script: reply });
    const plain = await openBenchSocket(stage.daemon);
    const small = await openBenchSocket(stage.daemon, { isCompressed: true });
    const joined = await openBenchSocket(stage.daemon, { isCompressed: true });
    try {
      plain.send('subscribe', { events: ['*'] });
      small.send('subscribe', { events: ['*'] });
      joined.send('subscribe', { events: ['streamData'], deltaIntervalMs: INTERVAL_MS });
      const held = stage.held();
      const turn = () => held.turn('Say something long.', () => {});
      await turn();
      const sockets = [plain, small, joined];
      const [ofPlain, ofSmall] = [timesOf(plain), timesOf(small)];
      const rounds: number[][] = [];
      for (let round = 0; round < (quick ? 1 : 3); round += 1) rounds.push(await costsOf(sockets, turn));
      const costs = sockets.map((_, index) => Math.min(...rounds.map((costs) => costs[index] ?? 0)) / text.length);
      return rowsOf(costs, addedP99(ofPlain.times, ofSmall.times));
    } finally {
      for (const socket of [plain, small, joined]) await socket.close();
      await stage.close();
    }
  },
};

/** Bytes that come on each while a turn runs. */
async function costsOf(sockets: readonly BenchSocket[], turn: () => Promise<unknown>): Promise<number[]> {
  const before = sockets.map((socket) => socket.bytes());
  await turn();
  await sleep(200);
  return sockets.map((socket, index) => socket.bytes() - (before[index] ?? 0));
}

function addedP99(plain: ReadonlyMap<string, number>, small: ReadonlyMap<string, number>): number {
  const added = [...small].flatMap(([key, at]) => {
    const before = plain.get(key);
    return before === undefined ? [] : at - before;
  });
  return distributionOf(added).p99;
}

function rowsOf([plain = 0, small = 0, joined = 0]: number[], p99: number): Row[] {
  const row = (figure: string, measured: number, most: number): Row => ({
    figure,
    goal: `< ${most} bytes`,
    measured: `${digits(measured)} bytes`,
    reference: `${digits(plain)} bytes without`,
    ratio: measured / plain,
    goalRatio: most / plain,
    met: measured < most,
  });
  return [
    row(`bytes on the wire for a byte of text, compressed, ${PER_SECOND} deltas/s`, small, MOST_COMPRESSED),
    row(`the same with deltaIntervalMs ${INTERVAL_MS}`, joined, MOST_JOINED),
    {
      figure: 'compressed after plain, the same piece, p99',
      goal: `< ${MOST_ADDED_P99_MS} ms`,
      measured: `${digits(p99)} ms`,
      reference: 'the plain connection beside it',
      ratio: 1 + p99,
      goalRatio: 1 + MOST_ADDED_P99_MS,
      met: p99 < MOST_ADDED_P99_MS,
    },
  ];
}
