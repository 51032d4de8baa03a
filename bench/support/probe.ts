import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, within } from './clock.js';

/** What a process says about itself; sizes are bytes. */
export interface Insight {
  rss: number;
  heapUsed: number;
  external: number;
  /** Of the socket that holds most: bytes that it was given and the kernel has not taken. */
  mostUnsent: number;
  sockets: number;
  /** How long its event loop was blocked, p99 in milliseconds, since it was asked to watch it. */
  loopP99: number;
  /** The longest time that it was blocked since then, in milliseconds. */
  loopMax: number;
}

/** Looks into a process that was started with this environment. */
export interface Probe {
  readonly environment: Record<string, string>;
  /** `collected`: after the garbage collector has run. */
  look(pid: number, how?: 'collected' | 'watching the loop' | 'as it is'): Promise<Insight>;
  close(): void;
}

const LOOK_MS = 60_000;
const POLL_MS = 5;

/** `program`: how the path of the process's main file ends. */
export function createProbe(program: string): Probe {
  const folder = mkdtempSync(join(tmpdir(), 'companion-probe-'));
  const path = join(folder, 'probe');
  const preload = new URL('./inside-probe.mjs', import.meta.url).href;
  return {
    environment: { NODE_OPTIONS: `--import=${preload}`, BENCH_PROBE: path, BENCH_PROBED: program },
    look: async (pid, how = 'as it is') => {
      rmSync(`${path}.answer`, { force: true });
      writeFileSync(`${path}.ask`, how);
      process.kill(pid, 'SIGUSR2');
      await within(untilThere(`${path}.answer`), LOOK_MS, 'a look into a process');
      return JSON.parse(readFileSync(`${path}.answer`, 'utf8')) as Insight;
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function untilThere(path: string): Promise<void> {
  while (!existsSync(path)) await sleep(POLL_MS);
}
