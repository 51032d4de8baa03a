import { execFile } from 'node:child_process';
import { readFile, statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { CompanionError } from '../../protocol/error-codes.js';

export interface MachineRoomOptions {
  /** On the disk to check. */
  home: string;
  /** Below this many available bytes, nothing new starts. */
  minMemory: number;
  minDisk: number;
}

export interface Shortage {
  of: 'memory' | 'disk';
  /** A sentence. */
  what: string;
  remedy: string;
}

/** Checks whether the machine has room for another Claude CLI. */
export class MachineRoom {
  readonly #options: MachineRoomOptions;

  constructor(options: MachineRoomOptions) {
    this.#options = options;
  }

  /** The scarce resources. An unknown value is not scarce: its user will notice. */
  async shortages(): Promise<Shortage[]> {
    const { home, minMemory, minDisk } = this.#options;
    const [memory, disk] = await Promise.all([availableMemory(), freeDisk(home)]);
    const short: Shortage[] = [];
    if (memory < minMemory) {
      short.push({
        of: 'memory',
        what: `${mebibytes(memory)} of memory are free, and ${mebibytes(minMemory)} are needed.`,
        remedy: 'Close sessions or programs, or lower MIN_FREE_MEMORY_BYTES.',
      });
    }
    if (disk < minDisk) {
      short.push({
        of: 'disk',
        what: `${mebibytes(disk)} are free on the disk of the companion home folder, and ${mebibytes(minDisk)} are needed.`,
        remedy: 'Free some space on the disk of the companion home folder, or lower MIN_FREE_DISK_BYTES.',
      });
    }
    return short;
  }

  /** Rejects with `CAPACITY`, with the shortage and the remedy, when no other CLI can start. */
  async require(): Promise<void> {
    const short = await this.shortages();
    if (short.length === 0) return;
    const what = short.map((one) => one.what).join(' ');
    throw new CompanionError('CAPACITY', `No Claude CLI is started: ${what}`, {
      suggestion: short.map(({ remedy }) => remedy).join(' '),
    });
  }
}

/** Bytes that the owner can still write there. */
export async function freeDisk(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    // No reason to refuse a child: a full disk shows when writing.
    return Number.POSITIVE_INFINITY;
  }
}

const MIB = 1024 * 1024;
const mebibytes = (bytes: number) => `${Math.floor(bytes / MIB)} MiB`;

// The memory still available to programs. Linux reports it in `/proc` and the control groups; macOS in `sysctl`,
// which was implemented from its manual page and has not been run there.

const run = promisify(execFile);

/**
 * Bytes available without the system having to kill a process, including reclaimable caches. Node's own
 * `process.availableMemory()` is unsuitable: within a control group it counts the page cache as used, so that a daemon
 * with a memory limit would have no room after any build; on macOS it counts only free pages, of which a healthy Mac
 * has few.
 */
export async function availableMemory(): Promise<number> {
  if (process.platform === 'darwin') return macMemory();
  // Memory of the machine: `MemAvailable` on Linux.
  return Math.min(freemem(), await groupMemory({ membership: '/proc/self/cgroup', mount: '/sys/fs/cgroup' }));
}

const SYSCTL_TIMEOUT_MS = 5000;

/** The system's own measure (see `memory_pressure(1)`): available memory in per cent. */
async function macMemory(): Promise<number> {
  try {
    const { stdout } = await run('/usr/sbin/sysctl', ['-n', 'kern.memorystatus_level'], { timeout: SYSCTL_TIMEOUT_MS });
    const percent = Number.parseInt(stdout, 10);
    return Number.isNaN(percent) ? Number.POSITIVE_INFINITY : (percent / 100) * totalmem();
  } catch {
    // An unknown value is no reason to refuse.
    return Number.POSITIVE_INFINITY;
  }
}

export interface ControlGroups {
  /** The file that lists this process's groups (`cgroups(7)`). */
  membership: string;
  /** The mount point of the groups. */
  mount: string;
}

/** The smallest headroom in this process's control groups and their parents; infinite without a limit. */
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
  /** The names of the page cache entries in `memory.stat`. */
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

/** In a container the path can be that of the host; the mounted folder is then the group itself, the last one here. */
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

/** `max`, or a missing file, means no limit. */
function bytesOf(text: string): number {
  const bytes = Number.parseInt(text, 10);
  return Number.isNaN(bytes) ? Number.POSITIVE_INFINITY : bytes;
}

/** Empty when a system or container lacks the file: each missing figure counts as no limit. */
const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
