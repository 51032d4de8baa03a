import { spawnSync } from 'node:child_process';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { sleep } from './clock.js';
import { realCli } from './stage.js';

const GIB = 1024 ** 3;
const SAMPLE_MS = 2000;

/** Where and with what it was measured, to be asked before the benchmarks: what else runs then spoils them. */
export async function describeMachine(): Promise<string> {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  const { stdout } = spawnSync(realCli(), ['--version'], { encoding: 'utf8' });
  const cli = /^\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? 'unknown';
  const busy = Math.round((await busyShare()) * 100);
  const memory = Math.round(totalmem() / GIB);
  return [
    `${new Date().toISOString().slice(0, 10)}: ${processors.length} × ${model}, ${memory} GiB, ${platform()} ${release()} ${arch()},`,
    `Node ${process.version}, Claude CLI ${cli}; processors ${busy} % busy with other work when it began.`,
    'Times are p50 / p99 (count). Ratios are within this run, of medians where no other quantile is named.',
  ].join('\n');
}

async function busyShare(): Promise<number> {
  const before = processorTimes();
  await sleep(SAMPLE_MS);
  const after = processorTimes();
  return 1 - (after.idle - before.idle) / (after.all - before.all);
}

function processorTimes(): { idle: number; all: number } {
  const times = cpus().map((processor) => processor.times);
  const idle = times.reduce((sum, time) => sum + time.idle, 0);
  const all = times.reduce((sum, { user, nice, sys, idle: unused, irq }) => sum + user + nice + sys + unused + irq, 0);
  return { idle, all };
}
