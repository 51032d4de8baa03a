/**
 * How much memory programs can still have. On Linux `/proc` and the control groups tell; macOS is asked by `sysctl`,
 * which was written after its manual page and has not been run there.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Bytes that can be had without the system having to end something, caches that it can drop included. Node's own
 * `process.availableMemory()` does not do: within a control group it counts the cache of files as taken, so that a
 * daemon with a memory limit would have no room after any build; and on macOS it knows free pages alone, which are few
 * on a healthy Mac.
 */
export async function availableMemory(): Promise<number> {
  if (process.platform === 'darwin') return macMemory();
  // Of the machine; where there is one, `MemAvailable` of Linux.
  return Math.min(freemem(), await groupMemory({ membership: '/proc/self/cgroup', mount: '/sys/fs/cgroup' }));
}

const SYSCTL_TIMEOUT_MS = 5000;

/** What the system itself judges by (see `memory_pressure(1)`): how many per cent of the memory are available. */
async function macMemory(): Promise<number> {
  try {
    const { stdout } = await run('/usr/sbin/sysctl', ['-n', 'kern.memorystatus_level'], { timeout: SYSCTL_TIMEOUT_MS });
    const percent = Number.parseInt(stdout, 10);
    return Number.isNaN(percent) ? Number.POSITIVE_INFINITY : (percent / 100) * totalmem();
  } catch {
    // Unknown is no reason to refuse.
    return Number.POSITIVE_INFINITY;
  }
}

export interface ControlGroups {
  /** The file that says which groups this process is in (`cgroups(7)`). */
  membership: string;
  /** Where the groups are. */
  mount: string;
}

/** What the control groups of this process, each with those above it, leave of their limits; infinite without one. */
export async function groupMemory({ membership, mount }: ControlGroups): Promise<number> {
  const lines = (await readText(membership)).split('\n');
  const groups = lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    if (controllers === '') return [{ root: mount, path, files: VERSION_2 }];
    return controllers?.split(',').includes('memory') ? [{ root: join(mount, 'memory'), path, files: VERSION_1 }] : [];
  });
  const rooms = groups.flatMap(({ root, path, files }) =>
    withParents(path).map((group) => roomIn(join(root, group), files)),
  );
  return Math.min(...(await Promise.all(rooms)));
}

interface GroupFiles {
  limits: readonly string[];
  usage: string;
  /** The names of the caches of files in `memory.stat`. */
  caches: RegExp;
}

const VERSION_1: GroupFiles = {
  limits: ['memory.limit_in_bytes'],
  usage: 'memory.usage_in_bytes',
  caches: /^total_(?:in)?active_file (\d+)$/gm,
};
const VERSION_2: GroupFiles = {
  limits: ['memory.max', 'memory.high'],
  usage: 'memory.current',
  caches: /^(?:in)?active_file (\d+)$/gm,
};

/** In a container the path may be that of the host; what is mounted then is the group itself, which is the last here. */
function withParents(path: string): string[] {
  return path === '/' ? [path] : [path, ...withParents(dirname(path))];
}

async function roomIn(folder: string, { limits, usage, caches }: GroupFiles): Promise<number> {
  const read = (name: string) => readText(join(folder, name));
  const limit = Math.min(...(await Promise.all(limits.map(read))).map(bytesOf));
  if (limit === Number.POSITIVE_INFINITY) return limit;
  const used = Number.parseInt(await read(usage), 10) || 0;
  const cached = [...(await read('memory.stat')).matchAll(caches)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  return Math.max(0, limit - Math.max(0, used - cached));
}

/** `max`, or no file, is no limit. */
function bytesOf(text: string): number {
  const bytes = Number.parseInt(text, 10);
  return Number.isNaN(bytes) ? Number.POSITIVE_INFINITY : bytes;
}

/** Empty where a system or container does not have it: each figure that is missing counts as no limit. */
const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
