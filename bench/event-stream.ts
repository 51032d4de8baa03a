/** How much later text is at a reader of an event stream than at a WebSocket of the same daemon, delta by delta. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { type Daemon, TOKEN } from '../tests/support/daemon.js';
import type { Bench } from './support/bench.js';
import { dataOf, isFrame } from './support/bench-socket.js';
import { now } from './support/clock.js';
import { type Distribution, digits, distributionOf, inMs } from './support/distribution.js';
import { setStage } from './support/stage.js';
import { createStampedSource, keysIn, type StampedSource } from './support/stamped-source.js';
import type { Row } from './support/table.js';

const MOST_ADDED_MS = 1;
export const eventStream: Bench = {
  name: 'event-stream',
  run: async ({ quick }) => {
    const deltas = quick ? 100 : 250;
    const source = createStampedSource(deltas);
    const stage = await setStage({ script: source.script });
    try {
      const held = stage.held();
      await held.turn('Warm up.');
      const reader = await openReader(stage.daemon);
      const [bySocket, byStream] = [new Map<string, number>(), new Map<string, number>()];
      stage.socket.listen((frame, at) => {
        if (isFrame(frame, 'streamData')) note(bySocket, dataOf<{ content: { text: string } }>(frame).content.text, at);
      });
      reader.listen((text, at) => note(byStream, text, at));
      for (let round = 0; round < (quick ? 2 : 8); round += 1) await held.turn('Say something long.');
      reader.close();
      return rowsOf(agesOf(source, byStream, deltas), agesOf(source, bySocket, deltas));
    } finally {
      await stage.close();
    }
  },
};

/** When each delta came, by its key. */
function note(times: Map<string, number>, text: string, at: number): void {
  for (const key of keysIn(text)) times.set(key, at);
}

/** From the API's write to the reader, of all deltas that it has. */
function agesOf(source: StampedSource, times: ReadonlyMap<string, number>, deltas: number): number[] {
  const ages = [...times].flatMap(([key, at]) => {
    const written = source.writtenAt(key);
    return written === undefined ? [] : [at - written];
  });
  if (ages.length < deltas) throw new Error(`only ${ages.length} deltas came`);
  return ages;
}

/** A reader that looks at no more than the text: what it costs itself is part of the figure. */
async function openReader({ url }: Daemon) {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const request = get(`${url}/api/stream?deltas=true`, { agent: false, headers });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  let listener: (text: string, at: number) => void = () => {};
  let rest = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const at = now();
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      if (!block.startsWith('event: delta\n')) continue;
      listener((JSON.parse(block.slice(block.indexOf('data: ') + 6)) as { content: string }).content, at);
    }
  });
  return {
    listen: (given: typeof listener) => {
      listener = given;
    },
    close: () => void response.destroy(),
  };
}

function rowsOf(streamed: number[], held: number[]): Row[] {
  const [measured, reference] = [distributionOf(streamed), distributionOf(held)];
  const row = (quantile: keyof Pick<Distribution, 'p50' | 'p99'>): Row => {
    const added = measured[quantile] - reference[quantile];
    return {
      figure: `delta, API to reader of an event stream, ${quantile}: added to the WebSocket`,
      goal: `≤ +${MOST_ADDED_MS} ms`,
      measured: `${added < 0 ? '' : '+'}${digits(added)} ms: ${inMs(measured)}`,
      reference: inMs(reference),
      ratio: measured[quantile] / reference[quantile],
      goalRatio: (reference[quantile] + MOST_ADDED_MS) / reference[quantile],
      met: added <= MOST_ADDED_MS,
    };
  };
  return [row('p50'), row('p99')];
}
