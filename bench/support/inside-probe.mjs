/**
 * Preloaded into a server (`--import`), to look at it from inside without changing it: on SIGUSR2 it reads what is
 * asked for from `BENCH_PROBE`.ask and writes its figures to `BENCH_PROBE`.answer. A child of the server has it too, and
 * does nothing.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const { BENCH_PROBE: path, BENCH_PROBED: program = '' } = process.env;
/** Some is left to later rounds by the first one: finalizers run between them. */
const COLLECTIONS = 4;
const LOOP_PROBE_MS = 1;
const NANOSECONDS_IN_MS = 1e6;

if (path !== undefined && process.argv[1]?.endsWith(program)) process.on('SIGUSR2', look);

let delay;

function look() {
  const asked = readFileSync(`${path}.ask`, 'utf8');
  if (asked === 'collected') collect();
  const loopP99 = delay ? delay.percentile(99) / NANOSECONDS_IN_MS - LOOP_PROBE_MS : 0;
  const loopMax = delay ? delay.max / NANOSECONDS_IN_MS - LOOP_PROBE_MS : 0;
  if (asked === 'watching the loop') {
    delay = monitorEventLoopDelay({ resolution: LOOP_PROBE_MS });
    delay.enable();
  }
  // Bytes that sockets hold in this process: given to them and not taken by the kernel.
  const unsent = process
    ._getActiveHandles()
    .flatMap((handle) => (handle instanceof Socket ? handle.writableLength : []));
  const { rss, heapUsed, external } = process.memoryUsage();
  const figures = {
    rss,
    heapUsed,
    external,
    mostUnsent: Math.max(0, ...unsent),
    sockets: unsent.length,
    loopP99,
    loopMax,
  };
  writeFileSync(`${path}.tmp`, JSON.stringify(figures));
  renameSync(`${path}.tmp`, `${path}.answer`);
}

let gc;
function collect() {
  if (!gc) {
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc');
  }
  for (let round = 0; round < COLLECTIONS; round += 1) gc();
}
