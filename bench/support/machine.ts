import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { arch, cpus, platform, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../services/record/sqlite/schema.js';
import { sleep } from './clock.js';
import { describeCores } from './cores.js';
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
  const day = new Date().toISOString().slice(0, 10);
  const packages = ['ws', 'socket.io', 'better-sqlite3'].map((name) => `${name} ${versionOf(name)}`).join(', ');
  return [
    `${day}: ${processors.length} × ${model}, ${memory} GiB, ${systemName()} (${platform()} ${release()} ${arch()}),`,
    `Node ${process.version}, ${packages} (SQLite ${sqliteVersion()}), Claude CLI ${cli};`,
    `processors ${busy} % busy with other work when it began. ${describeCores()}`,
    'Times are p50 / p99 (count). Ratios are within this run, of medians where no other quantile is named; those of fan-out',
    'are of what a second of processor time gives, which other work on the machine disturbs less than the clock.',
  ].join('\n');
}

function systemName(): string {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^PRETTY_NAME="?([^"\n]+)/m.exec(release)?.[1] ?? platform();
}

/** Of a package that is installed here. */
function versionOf(name: string): string {
  const path = join(import.meta.dirname, '../../node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

function sqliteVersion(): string {
  const folder = mkdtempSync(join(tmpdir(), 'companion-sqlite-'));
  const database = openDatabase(join(folder, 'empty.db'));
  try {
    return String(database.prepare('SELECT sqlite_version()').pluck().get());
  } finally {
    database.close();
    rmSync(folder, { recursive: true });
  }
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
