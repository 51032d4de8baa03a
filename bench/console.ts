/** What a person at the console waits for: in a real Chromium, against a daemon whose CLI only writes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { SessionId } from '../protocol/scalars.js';
import type { Bench } from './support/bench.js';
import { openBenchSocket } from './support/bench-socket.js';
import { sleep, within } from './support/clock.js';
import { type ConsolePage, type Noted, openConsole } from './support/console-page.js';
import { TURN_MS } from './support/conversation.js';
import { digits, distributionOf, inMs } from './support/distribution.js';
import { FAKE_CLI } from './support/fake-cli-path.js';
import { type Stage, setStage } from './support/stage.js';
import type { Row } from './support/table.js';
import { newSessionId, ownerOf, writeJournal } from './support/written-journal.js';

const MESSAGES = 10_000;
const MISSED = 1000;
const PER_SECOND = 150;
const DELTA_BYTES = 40;
const SECONDS = 60;
const QUICK_SECONDS = 5;
const LOADS = 10;
const QUICK_LOADS = 2;

export const consoleInBrowser: Bench = {
  name: 'console',
  run: async ({ quick }) => {
    const environment = { RETENTION_EVENTS: String(2 * MESSAGES), RETENTION_BYTES: '1000000000' };
    const stage = await setStage({ binary: FAKE_CLI, environment });
    const long = await prepare(stage);
    const shown = await openConsole(stage.daemon);
    try {
      return [
        startRow(),
        ...(await loadRows(shown, quick ? QUICK_LOADS : LOADS)),
        ...(await longRows(shown, long, quick ? QUICK_STEP : STEP)),
        ...(await streamRows(stage, shown, quick ? QUICK_SECONDS : SECONDS)),
        await wakeRow(stage, shown),
      ];
    } finally {
      await shown.close();
      await stage.close();
    }
  },
};

async function prepare({ daemon }: Stage): Promise<SessionId> {
  await daemon.kill('SIGTERM');
  const sessionId = newSessionId();
  const directory = daemon.project();
  await writeJournal({
    home: daemon.home,
    owner: ownerOf(daemon.home),
    sessions: [{ sessionId, directory, events: MESSAGES, bytes: 300, turns: true, open: true }],
  });
  await daemon.start();
  return sessionId;
}

const ASSETS = join(import.meta.dirname, '../dist/console/assets');
const MOST_START_KB = 180;

/** What the page itself names; everything else is loaded when it is needed. */
function startRow(): Row {
  const page = readFileSync(join(ASSETS, '../index.html'), 'utf8');
  const scripts = readdirSync(ASSETS).filter((name) => name.endsWith('.js') && page.includes(name));
  const sizes = scripts.map((name) => gzipSync(readFileSync(join(ASSETS, name)), { level: 9 }).length);
  const kilobytes = sizes.reduce((sum, size) => sum + size, 0) / 1000;
  return {
    figure: 'console: JavaScript at the start, gzip',
    goal: `< ${MOST_START_KB} kB`,
    measured: `${digits(kilobytes)} kB`,
    reference: '',
    met: kilobytes < MOST_START_KB,
  };
}

const INTERACTIVE = { loopback: 800, mobile: 2500 } as const;
const NETWORKS = { loopback: 'on loopback', mobile: 'over slow 4G (1.6 Mbit/s, 150 ms)' } as const;

async function loadRows(shown: ConsolePage, loads: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const network of ['loopback', 'mobile'] as const) {
    const times: number[] = [];
    for (let load = 0; load < loads; load += 1) times.push(await shown.load(network));
    const { p50 } = distributionOf(times);
    rows.push({
      figure: `console ${NETWORKS[network]}, nothing kept: request to the list of sessions`,
      goal: `< ${INTERACTIVE[network]} ms`,
      measured: inMs(distributionOf(times)),
      reference: '',
      met: p50 < INTERACTIVE[network],
    });
  }
  return rows;
}

const OPEN_MS = 300;
const TASK_MS = 50;
const MEMORY_MIB = 150;
/** CSS pixels a frame: 36,000 in a second, faster than a thumb. */
const STEP = 600;
const QUICK_STEP = 3000;

async function longRows(shown: ConsolePage, sessionId: SessionId, step: number): Promise<Row[]> {
  const times: number[] = [];
  for (let open = 0; open < 5; open += 1) {
    await shown.load('loopback');
    await shown.measured('begin()');
    times.push(
      await shown.page.evaluate(`(async () => {
        const at = performance.now();
        location.hash = '#/s/${sessionId}';
        return (await measured.painted('.transcript', 'Question ${MESSAGES - 1}')) - at;
      })()`),
    );
  }
  await shown.measured('begin()');
  const count = await shown.measured<number>(
    `scrollUp({ selector: '.transcript', item: '.transcript article', first: 'Question 1', step: ${step} })`,
  );
  const { longTasks, frames } = await shown.measured<Noted>('end()');
  const { heap, process } = await shown.memory();
  const longest = Math.max(0, ...longTasks);
  return [
    {
      figure: `console: opening a session of ${MESSAGES.toLocaleString('en')} messages`,
      goal: `< ${OPEN_MS} ms`,
      measured: inMs(distributionOf(times)),
      reference: '',
      met: distributionOf(times).p50 < OPEN_MS,
    },
    {
      figure: 'console: scrolling up to its first message, longest task',
      goal: `≤ ${TASK_MS} ms`,
      measured: `${longest === 0 ? '< 50' : digits(longest)} ms; ${longTasks.length} over 50 ms in ${frames.length} frames; dropped ${inPercent(droppedOf(frames))}`,
      reference: '',
      met: longest <= TASK_MS,
    },
    {
      figure: `console: memory with ${count.toLocaleString('en')} messages shown`,
      goal: `< ${MEMORY_MIB} MiB`,
      measured: `${digits(process)} MiB of the process, ${digits(heap)} of scripts`,
      reference: '',
      met: process < MEMORY_MIB,
    },
  ];
}

const inPercent = (share: number): string => `${digits(share * 100)} %`;

const FRAME_MS = 1000 / 60;

/** The share of frames of a screen with 60 a second that were not drawn. */
function droppedOf(frames: readonly number[]): number {
  let dropped = 0;
  for (let index = 1; index < frames.length; index += 1)
    dropped += Math.max(0, Math.round(((frames[index] ?? 0) - (frames[index - 1] ?? 0)) / FRAME_MS) - 1);
  return dropped / (frames.length + dropped);
}

const PAINTED_MS = 32;
const DROPPED = 0.01;
const INPUT_MS = 50;
const KEY_EVERY_MS = 120;

async function streamRows(stage: Stage, shown: ConsolePage, seconds: number): Promise<Row[]> {
  const count = seconds * PER_SECOND;
  const load = {
    kind: 'deltas',
    count,
    perBlock: 10 * PER_SECOND,
    bytes: DELTA_BYTES,
    perSecond: PER_SECOND,
    perParagraph: 30,
  };
  await startSession(stage, shown, { load });
  await shown.measured('begin()');
  await sleep(1000);
  const offset = await shown.clockOffset();
  const field = shown.page.getByRole('textbox', { name: 'Message', exact: true });
  await field.click();
  let keys = 0;
  const { page } = shown;
  const until = Date.now() + (seconds - 2) * 1000;
  while (Date.now() < until) {
    await page.keyboard.press('a');
    keys += 1;
    await sleep(KEY_EVERY_MS);
  }
  const { paints, frames, inputs, longTasks } = await shown.measured<Noted>('end()');
  const latencies = distributionOf(paints.map(([writtenAt, paintedAt]) => paintedAt + offset - writtenAt));
  const dropped = droppedOf(frames);
  // What took less than a frame is not told.
  const answered = distributionOf([...inputs, ...Array.from({ length: Math.max(0, keys - inputs.length) }, () => 16)]);
  return [
    {
      figure: `console: written by the CLI to painted, p50, at ${PER_SECOND} deltas/s`,
      goal: `< ${PAINTED_MS} ms`,
      measured: inMs(latencies),
      reference: '',
      met: latencies.p50 < PAINTED_MS,
    },
    {
      figure: `console: frames dropped in a stream of ${seconds} s at ${PER_SECOND}/s`,
      goal: `< ${DROPPED * 100} %`,
      measured: `${inPercent(dropped)} of ${frames.length}; longest task ${digits(Math.max(0, ...longTasks))} ms`,
      reference: '',
      met: dropped < DROPPED,
    },
    {
      figure: 'console: key to painted meanwhile, p99',
      goal: `< ${INPUT_MS} ms`,
      measured: inMs(answered),
      reference: '',
      met: answered.p99 < INPUT_MS,
    },
  ];
}

/** Shows a new session whose CLI writes what the prompt says. */
async function startSession({ daemon }: Stage, { page, load }: ConsolePage, asked: object): Promise<void> {
  await load('loopback');
  await page.goto(`${daemon.url}/#/new`);
  await page.getByLabel('Directory').fill(daemon.project());
  await page.getByLabel('First message').fill(JSON.stringify(asked));
  await page.getByRole('button', { name: 'Start' }).click();
  await page.getByRole('textbox', { name: 'Message', exact: true }).waitFor();
}

const WAKE_MS = 500;

async function wakeRow(stage: Stage, shown: ConsolePage): Promise<Row> {
  const { page } = shown;
  await startSession(stage, shown, { load: { kind: 'events', count: 1, bytes: 40 } });
  await page.getByText(/^\s*\d+\.\d s/).waitFor();
  const sessionId = new URL(page.url()).hash.replace('#/s/', '');
  await shown.measured('leave()');
  // That of the stage ended with the daemon that has not yet had the long session.
  const turn = await openBenchSocket(stage.daemon);
  const ended = new Promise<void>((resolve) => {
    const stop = turn.listen((frame) => {
      if (!frame.startsWith('{"type":"streamComplete"')) return;
      stop();
      resolve();
    });
  });
  turn.send('subscribe', { events: ['*'] });
  turn.send('streamSend', {
    sessionId,
    prompt: JSON.stringify({ load: { kind: 'events', count: MISSED, bytes: 300 } }),
  });
  await within(ended, TURN_MS, 'what is missed');
  await turn.close();
  await shown.measured('comeBack()');
  const took = Number(
    await page.evaluate(`measured.painted('.transcript .end', 's', 2).then((at) => at - measured.noted.dialledAt)`),
  );
  return {
    figure: `console: ${MISSED} missed events, connection to all of them painted`,
    goal: `< ${WAKE_MS} ms`,
    measured: `${digits(took)} ms`,
    reference: '',
    met: took < WAKE_MS,
  };
}
