/** Keeps what serves and what loads it apart, where the system can (Linux with taskset(1)). */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export interface Cores {
  server: number;
  /** Of the clients, and of a CLI that writes as fast as it can. */
  load: number;
}

/** The first two processors that this process may use; undefined where there are no two, or they cannot be chosen. */
const CORES: Cores | undefined = findCores();

function findCores(): Cores | undefined {
  if (!existsSync('/proc/self/status') || spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const [server, load] = list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return server === undefined || load === undefined ? undefined : { server, load };
}

/** One sentence for the head of the table. */
export const describeCores = (): string =>
  CORES
    ? `Servers were kept on processor ${CORES.server}, their clients and the CLI that loads them on ${CORES.load} (taskset), where rows say "apart".`
    : 'Servers and their clients could not be kept on separate processors: there is no taskset, or there are no two.';

/** Moves a running process, all its threads, to one processor. */
export function keepOn(pid: number, side: keyof Cores): void {
  if (!CORES) return;
  const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', String(CORES[side]), String(pid)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`taskset failed: ${stderr}`);
}

/** Tells the fake CLI where to run: it would inherit the daemon's processor. */
export const cliEnvironment = (): Record<string, string> => (CORES ? { BENCH_CLI_CORE: String(CORES.load) } : {});
