/** The first page of the history of a very long session, over REST, and how long the daemon's loop is blocked by it. */

import { TOKEN } from '../tests/support/daemon.js';
import type { Bench } from './support/bench.js';
import { now } from './support/clock.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { createProbe } from './support/probe.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';
import { newSessionId, ownerOf, writeJournal } from './support/written-journal.js';

const MESSAGES = 100_000;
const SHORT = 50;
const TEXT_BYTES = 300;
const MOST_P99_MS = 10;
const MOST_BLOCKED_MS = 5;
const WARM_UP = 20;
const ROUNDS = 1000;
const QUICK_ROUNDS = 100;
/** From the end, and from the middle; of messages from the beginning, too. */
const VIEWS = {
  messages: ['messages?limit=50', 'messages?limit=50&before=1000000000', `messages?limit=50&offset=${MESSAGES / 2}`],
  history: ['history?limit=50', `history?limit=50&offset=${MESSAGES / 4}`],
};
type View = keyof typeof VIEWS;

export const historyPage: Bench = {
  name: 'history-page',
  run: async ({ quick }) => {
    const probe = createProbe('dist/server/main.js');
    const environment = { RETENTION_EVENTS: String(2 * MESSAGES), RETENTION_BYTES: '1000000000' };
    const stage = await setStage({ binary: FAKE_CLI, environment: { ...environment, ...probe.environment } });
    try {
      const [long, short] = await prepare(stage);
      const rounds = quick ? QUICK_ROUNDS : ROUNDS;
      const rows: Row[] = [];
      for (const view of Object.keys(VIEWS) as View[]) rows.push(...(await measure(view)));
      return rows;

      async function measure(view: View): Promise<Row[]> {
        const read = (sessionId: string, count: number) => readPages(stage, { view, sessionId, count });
        // The first reader completes the index.
        await read(long, WARM_UP);
        const reference = distributionOf(await read(short, rounds));
        await probe.look(stage.daemon.pid, 'watching the loop');
        const times = distributionOf(await read(long, rounds));
        const { loopMax, loopP99 } = await probe.look(stage.daemon.pid);
        return [
          {
            figure: `page of \`${view}\` of ${MESSAGES.toLocaleString('en')} messages, p99`,
            goal: `< ${MOST_P99_MS} ms`,
            measured: inMs(times),
            reference: `${inMs(reference)} of ${SHORT}`,
            ratio: times.p99 / reference.p99,
            met: times.p99 < MOST_P99_MS,
          },
          {
            figure: 'event loop blocked meanwhile, longest',
            goal: `≤ ${MOST_BLOCKED_MS} ms`,
            measured: `${digits(loopMax)} ms (p99 ${digits(loopP99)} ms)`,
            reference: '',
            met: loopMax <= MOST_BLOCKED_MS,
          },
        ];
      }
    } finally {
      await stage.close();
      probe.close();
    }
  },
};

async function prepare({ daemon }: Stage): Promise<[string, string]> {
  await daemon.kill('SIGTERM');
  const [long, short] = [newSessionId(), newSessionId()];
  await writeJournal({
    home: daemon.home,
    owner: ownerOf(daemon.home),
    sessions: [
      { sessionId: long, directory: daemon.project(), events: MESSAGES, bytes: TEXT_BYTES, turns: true },
      { sessionId: short, directory: daemon.project(), events: SHORT, bytes: TEXT_BYTES, turns: true },
    ],
  });
  await daemon.start();
  return [long, short];
}

interface Reading {
  view: View;
  sessionId: string;
  count: number;
}

async function readPages({ daemon }: Stage, { view, sessionId, count }: Reading) {
  const pages = VIEWS[view];
  const headers = { authorization: `Bearer ${TOKEN}` };
  const times: number[] = [];
  for (let round = 0; round < count; round += 1) {
    const began = now();
    // Not by the daemon's own `fetch`, which holds each answer against its schema.
    const response = await fetch(`${daemon.url}/api/sessions/${sessionId}/${pages[round % pages.length]}`, { headers });
    await response.text();
    times.push(now() - began);
    if (response.status !== 200) throw new Error(`a page was answered ${response.status}`);
  }
  return times;
}
