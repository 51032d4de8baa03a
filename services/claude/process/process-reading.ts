/**
 * The system's data about one process, and the slices in which many are read. Linux answers from /proc; elsewhere
 * (macOS) `ps` does, which was written after its manual page and has not been tried there.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isScarcity } from '../../../protocol/failures.js';

export interface ProcessIdentity {
  pid: number;
  /** The start time in the system's own notation; compared only for equality. */
  startTime: string;
}

/** One line of the system's table of processes. */
export interface ProcessRow extends ProcessIdentity {
  parent: number;
  /** The process group. */
  group: number;
}

export const isLinux = process.platform === 'linux';

/** Linux counts start times from the boot of the machine, so those of two boots can be equal. */
export const bootId = isLinux ? readBootId() : '';

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    // Some containers hide it. Then only their start times distinguish processes.
    return '';
  }
}

/** Reading one process takes 10 to 50 µs of the loop, so a slice takes less than a millisecond. */
const SLICE = 16;

/** Yields the items in slices: other work of the loop runs between two of them. */
export async function* slicesOf<Item>(items: readonly Item[]): AsyncGenerator<readonly Item[]> {
  for (let at = 0; at < items.length; at += SLICE) {
    if (at > 0) await yieldToLoop();
    yield items.slice(at, at + SLICE);
  }
}

const STAT_FIELDS = 20;

/** Fields 3 to 5 and 22 of `/proc/<pid>/stat`, after the name in parentheses, which can contain spaces (proc(5)). */
export function readRow(pid: number): ProcessRow | undefined {
  const stat = readProc(pid, 'stat');
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ', STAT_FIELDS);
  if (isOver(fields[0])) return undefined;
  return { pid, parent: Number(fields[1]), group: Number(fields[2]), startTime: `${fields[19]}@${bootId}` };
}

/** A zombie has ended. */
export const isOver = (state: string | undefined): boolean => state === undefined || state === 'Z' || state === 'X';

/**
 * Synchronous, since the kernel answers from memory in about 10 µs, and a pool thread costs five times as much; callers
 * that read many processes do so in slices. As UTF-8, which Node (20.20) reads in one go: for any other encoding it
 * takes 64 KiB of memory for a file of unknown size. Undefined when the process has ended or is another user's; throws
 * when no descriptor is free.
 */
export function readProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (isScarcity(error)) throw error;
    return undefined;
  }
}

/** `ps` prints times in the zone and language of its environment: with another one, no start time would match. */
const PS_OPTIONS = {
  encoding: 'utf8',
  maxBuffer: 16 * 1024 * 1024,
  env: { PATH: '/bin:/usr/bin', TZ: 'UTC', LC_ALL: 'C' },
} as const;

/** The output of `ps`. Also rejects when it finds no such process. */
export async function ps(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('ps', args, PS_OPTIONS);
  return stdout.trim();
}
