/**
 * Which process a pid means: a pid alone is used again by the system after its process has ended. Linux answers from
 * /proc; elsewhere (macOS) `ps` does, which was written after its manual page and has not been tried there.
 */
import { execFile, execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isScarcity } from '../../protocol/capacity-error.js';

export interface ProcessIdentity {
  pid: number;
  /** When the process started, in the system's own notation; compared only for equality. */
  startTime: string;
}

/** One line of the system's table of processes. */
export interface ProcessRow extends ProcessIdentity {
  parent: number;
  /** The process group. */
  group: number;
}

const run = promisify(execFile);

const isLinux = process.platform === 'linux';

/** Linux counts start times from the boot of the machine, so those of two boots may be the same. */
const bootId = isLinux ? readBootId() : '';

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
    const found = identify(pid);
    return found !== undefined && isSameStart(startTime, found.startTime);
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

/** A record of a daemon from before the boot was noted is believed: its child shall survive the upgrade. */
export const isSameStart = (recorded: string, found: string): boolean =>
  recorded === found || (bootId !== '' && !recorded.includes('@') && `${recorded}@${bootId}` === found);

/**
 * All live processes that this user may see. Some 10 µs of the loop for each, in slices of a few; asked for again while
 * it is being read, it is read once. Rejects only where the system does not answer.
 */
export function listProcesses(): Promise<ProcessRow[]> {
  listing ??= (isLinux ? listFromProc() : listWithPs()).finally(() => {
    listing = undefined;
  });
  return listing;
}

let listing: Promise<ProcessRow[]> | undefined;

export interface Liveness {
  isAlive(): boolean;
  close(): void;
}

/**
 * For looking at one process often. On Linux a file of it is kept open: read after the end of the process it fails,
 * whoever has got the pid since, and a look costs 1 µs. Elsewhere a look is at the pid alone, and now and then, beside
 * the loop, at whose it is.
 */
export function openLiveness(identity: ProcessIdentity): Liveness {
  if (!isLinux) return livenessByPid(identity);
  const file = openMemory(identity);
  if (file === undefined) return { isAlive: () => isAlive(identity), close: () => {} };
  return { isAlive: () => hasMemory(file) || isAlive(identity), close: () => closeSync(file) };
}

const LOOKS_BEHIND_PID = 32;

function livenessByPid({ pid, startTime }: ProcessIdentity): Liveness {
  let looks = 0;
  let isOver = false;
  const lookBehind = async () => {
    const { stdout } = await run('ps', ['-o', 'state=,lstart=', '-p', String(pid)], PS_OPTIONS);
    isOver = startIn(stdout) !== startTime;
  };
  const isAlive = () => {
    looks += 1;
    // What fails is no news: a pid that is nobody's is seen by the look itself.
    if (looks % LOOKS_BEHIND_PID === 0) lookBehind().catch(() => {});
    return !isOver && isThere(pid);
  };
  return { isAlive, close: () => {} };
}

/** The file is of whoever has the pid when it is opened, so the identity is checked behind that. */
function openMemory(identity: ProcessIdentity): number | undefined {
  try {
    const file = openSync(`/proc/${identity.pid}/statm`, 'r');
    if (isAlive(identity)) return file;
    closeSync(file);
  } catch {
    // It has ended, or there is no descriptor left.
  }
  return undefined;
}

const firstByte = Buffer.alloc(1);
const ZERO = '0'.charCodeAt(0);

/** Whether the file begins with a size of more than 0, which nothing has that has ended. A zombie's is 0. */
function hasMemory(file: number): boolean {
  try {
    return readSync(file, firstByte, 0, 1, 0) === 1 && firstByte[0] !== ZERO;
  } catch {
    return false;
  }
}

/** A zombie has ended. */
const isOver = (state: string | undefined): boolean => state === undefined || state === 'Z' || state === 'X';

export interface WriterQuery {
  /** The path of the file that it writes to holds this. */
  part: string;
  /** It was started without this variable in its environment. */
  without: string;
}

/** Processes left by their parents that write into such a file. Empty where the system does not tell: Linux alone does. */
export function findOrphanedWriters(rows: readonly ProcessRow[], { part, without }: WriterQuery): ProcessRow[] {
  if (!isLinux) return [];
  return rows
    .filter((row) => isKnownOrphan(row) && [1, 2].some((stream) => writesTo(row.pid, stream, part)))
    .filter(({ pid }) => readProc(pid, 'environ')?.includes(`${without}=`) === false);
}

/** For each row once: a daemon that takes up many children looks through one listing for all of them. */
function isKnownOrphan(row: ProcessRow): boolean {
  const known = orphans.get(row) ?? isOrphan(row);
  orphans.set(row, known);
  return known;
}

const orphans = new WeakMap<ProcessRow, boolean>();

/** Its parent has ended: init has taken it over, or what systemd runs for a user. */
const isOrphan = ({ parent }: ProcessRow): boolean => parent === 1 || readProc(parent, 'comm')?.trim() === 'systemd';

const ACCESS_MODE = 3;
const OCTAL = 8;

function writesTo(pid: number, stream: number, part: string): boolean {
  try {
    if (!readlinkSync(`/proc/${pid}/fd/${stream}`).includes(part)) return false;
    const flags = /^flags:\s+(\d+)/m.exec(readProc(pid, `fdinfo/${stream}`) ?? '')?.[1] ?? '0';
    return (Number.parseInt(flags, OCTAL) & ACCESS_MODE) !== 0;
  } catch {
    return false;
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

function linuxStartTime(pid: number): string | undefined {
  return readRow(pid)?.startTime;
}

/** Fields 3 to 5 and 22 of `/proc/<pid>/stat`, after the name in parentheses, which may hold spaces (proc(5)). */
function readRow(pid: number): ProcessRow | undefined {
  const stat = readProc(pid, 'stat');
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ', STAT_FIELDS);
  if (isOver(fields[0])) return undefined;
  return { pid, parent: Number(fields[1]), group: Number(fields[2]), startTime: `${fields[19]}@${bootId}` };
}

const STAT_FIELDS = 20;

/**
 * As UTF-8, which Node (20.20) reads in one go: for any other encoding it takes 64 KiB of memory for a file whose size
 * it cannot know, which costs five times as much and leaves the process larger.
 */
function readProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (isScarcity(error)) throw error;
    return undefined;
  }
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

const SLICE = 64;

async function listFromProc(): Promise<ProcessRow[]> {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  const rows: ProcessRow[] = [];
  for (let at = 0; at < pids.length; at += SLICE) {
    rows.push(...pids.slice(at, at + SLICE).flatMap((pid) => readRow(pid) ?? []));
    await yieldToLoop();
  }
  return rows;
}

async function listWithPs(): Promise<ProcessRow[]> {
  const { stdout } = await run('ps', ['-axo', 'pid=,ppid=,pgid=,state=,lstart='], PS_OPTIONS);
  return stdout.split('\n').flatMap((line) => {
    const [pid, parent, group, state, ...started] = line.trim().split(/\s+/);
    if (isOver(state?.[0])) return [];
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), startTime: started.join(' ') }];
  });
}

/** It tells times in the zone and words of its environment: with another one, no process would be the one it was. */
const PS_OPTIONS = {
  encoding: 'utf8',
  maxBuffer: 16 * 1024 * 1024,
  env: { PATH: '/bin:/usr/bin', TZ: 'UTC', LC_ALL: 'C' },
} as const;

function startIn(row: string): string | undefined {
  const [state = '', ...started] = row.trim().split(/\s+/);
  return isOver(state[0]) ? undefined : started.join(' ');
}

function psStartTime(pid: number): string | undefined {
  try {
    return startIn(ps(['-o', 'state=,lstart=', '-p', String(pid)]));
  } catch (error) {
    if (isScarcity(error)) throw error;
    return undefined;
  }
}

function findInProc(entry: string): number[] {
  const wanted = `${entry}\0`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => environmentHas(name, wanted))
    .map(Number)
    .filter((pid) => pid !== process.pid && identify(pid) !== undefined);
}

function environmentHas(pid: string, wanted: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(wanted);
  } catch (error) {
    // It has ended, or is another user's. One that is not looked at for want of a descriptor would be missed.
    if (isScarcity(error)) throw error;
    return false;
  }
}

function findWithPs(entry: string): number[] {
  return ps(['-axEww', '-o', 'pid=,command='])
    .split('\n')
    .filter((line) => line.includes(entry))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== process.pid);
}

const ps = (args: string[]): string => execFileSync('ps', args, PS_OPTIONS).trim();
