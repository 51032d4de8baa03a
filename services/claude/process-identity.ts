/**
 * Which process a pid means: a pid alone is used again by the system after its process has ended. Linux answers from
 * /proc; elsewhere (macOS) `ps` does, which was written after its manual page and has not been tried there.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { isScarcity } from '../../protocol/capacity-error.js';

export interface ProcessIdentity {
  pid: number;
  /** When the process started, in the system's own notation; compared only for equality. */
  startTime: string;
}

const isLinux = process.platform === 'linux';

/**
 * The identity of a live process; undefined when there is none or only a zombie is left of it. Throws when that cannot be
 * told for now: to look takes a descriptor, or on macOS a process.
 */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = isLinux ? linuxStartTime(pid) : psStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether exactly this process still lives. While that cannot be told, one that has its pid is taken for it. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  try {
    return identify(pid)?.startTime === startTime;
  } catch {
    return isThere(pid);
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Resident memory in bytes; undefined when it cannot be told. */
export function residentBytes(pid: number): number | undefined {
  try {
    const kibibytes = isLinux
      ? /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      : ps(['-o', 'rss=', '-p', String(pid)]);
    return kibibytes ? Number(kibibytes) * 1024 : undefined;
  } catch {
    return undefined;
  }
}

/** Pids of the live processes that were started with this variable in their environment. Ours and root's are readable. */
export function findByEnvironment(name: string, value: string): number[] {
  return isLinux ? findInProc(`${name}=${value}`) : findWithPs(`${name}=${value}`);
}

/** Field 22 of `/proc/<pid>/stat`, after the name in parentheses, which may hold spaces (proc(5)). */
function linuxStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const state = fields[0];
    return state === 'Z' || state === 'X' ? undefined : fields[19];
  } catch (error) {
    if (isScarcity(error)) throw error;
    return undefined;
  }
}

function psStartTime(pid: number): string | undefined {
  try {
    const [state = '', ...started] = ps(['-o', 'state=,lstart=', '-p', String(pid)]).split(/\s+/);
    return state.startsWith('Z') ? undefined : started.join(' ');
  } catch (error) {
    if (isScarcity(error)) throw error;
    return undefined;
  }
}

function findInProc(entry: string): number[] {
  const wanted = Buffer.from(`${entry}\0`);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => environmentHas(name, wanted))
    .map(Number)
    .filter((pid) => pid !== process.pid && identify(pid) !== undefined);
}

function environmentHas(pid: string, wanted: Buffer): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`).includes(wanted);
  } catch (error) {
    // It has ended, or is another user's. One that is not looked at for want of a descriptor would be missed.
    if (isScarcity(error)) throw error;
    return false;
  }
}

function findWithPs(entry: string): number[] {
  try {
    return ps(['-axE', '-o', 'pid=,command='])
      .split('\n')
      .filter((line) => line.includes(entry))
      .map((line) => Number.parseInt(line, 10))
      .filter((pid) => pid !== process.pid);
  } catch {
    return [];
  }
}

const ps = (args: string[]): string => execFileSync('ps', args, { encoding: 'utf8' }).trim();
