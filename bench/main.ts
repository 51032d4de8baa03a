/**
 * Runs the benchmarks that are named, or all of them, and prints one table: `[--quick] [--out=<folder>] [name…]`.
 * A full run is kept in results/, any other only where `--out` says.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { access } from './access.js';
import { adoption } from './adoption.js';
import { badInput } from './bad-input.js';
import { chatFirstToken } from './chat-first-token.js';
import { consoleInBrowser } from './console.js';
import { deltaLatency } from './delta-latency.js';
import { eventStream } from './event-stream.js';
import { fanOut } from './fan-out.js';
import { firstPrompt } from './first-prompt.js';
import { guessTiming } from './guess-timing.js';
import { historyPage } from './history-page.js';
import { idleConnections } from './idle-connections.js';
import { idleSessions } from './idle-sessions.js';
import { journal } from './journal.js';
import { latency } from './latency.js';
import { memory } from './memory.js';
import { migration } from './migration.js';
import { missedReply } from './missed-reply.js';
import { push } from './push.js';
import { rest } from './rest.js';
import { restart } from './restart.js';
import { resume } from './resume.js';
import { schedules } from './schedules.js';
import { search } from './search.js';
import { socketWrite } from './socket-write.js';
import { stalledReaders } from './stalled-readers.js';
import { start } from './start.js';
import { suggestFiles } from './suggest-files.js';
import type { Bench } from './support/bench.js';
import { describeMachine } from './support/machine.js';
import { drawPlot } from './support/plot.js';
import { closeStages } from './support/stage.js';
import { formatTable, type Row } from './support/table.js';
import { turnDiff } from './turn-diff.js';
import { wake } from './wake.js';
import { warmPrompt } from './warm-prompt.js';
import { wireBytes } from './wire-bytes.js';

const BENCHES: Bench[] = [
  start,
  warmPrompt,
  firstPrompt,
  chatFirstToken,
  deltaLatency,
  eventStream,
  wireBytes,
  socketWrite,
  wake,
  memory,
  idleSessions,
  fanOut,
  latency,
  stalledReaders,
  push,
  idleConnections,
  resume,
  historyPage,
  missedReply,
  schedules,
  journal,
  migration,
  restart,
  adoption,
  access,
  rest,
  badInput,
  guessTiming,
  suggestFiles,
  search,
  turnDiff,
  consoleInBrowser,
];
const RESULTS = join(import.meta.dirname, 'results');

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void closeStages().finally(() => process.exit(1)));
}

const given = process.argv.slice(2);
const quick = given.includes('--quick');
const OUT = '--out=';
const out = given.find((word) => word.startsWith(OUT))?.slice(OUT.length);
const names = given.filter((word) => word !== '--quick' && !word.startsWith(OUT));
const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `no such benchmark: ${unknown.join(', ')}; there are ${BENCHES.map(({ name }) => name).join(', ')}\n`,
  );
  process.exit(2);
}

const machine = await describeMachine();
const rows: Row[] = [];
let failed = false;
for (const bench of BENCHES.filter(({ name }) => names.length === 0 || names.includes(name))) {
  process.stderr.write(`${bench.name} …\n`);
  try {
    rows.push(...(await bench.run({ quick })));
  } catch (error) {
    failed = true;
    process.stderr.write(`${bench.name} failed: ${error instanceof Error ? error.stack : String(error)}\n`);
  }
}

const report = `${machine}\n\n${formatTable(rows)}\n`;
process.stdout.write(`\n${report}`);
// A part is not kept in place of the whole, but can be looked at elsewhere.
const folder = out ?? (!failed && !quick && names.length === 0 ? RESULTS : undefined);
if (folder !== undefined) {
  mkdirSync(folder, { recursive: true });
  const title = `Benchmarks of claude-companion, ${machine.slice(0, machine.indexOf(','))}`;
  writeFileSync(
    join(folder, 'latest.md'),
    `# Benchmarks, last full run\n\n![Ratios of all figures](latest.svg)\n\n${report}`,
  );
  writeFileSync(join(folder, 'latest.svg'), drawPlot(rows, title));
}
process.exitCode = failed ? 1 : 0;
