/** The system's process table. Every scan of all processes runs in slices, so that it does not block the loop. */
import { readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { isScarcity } from '../../../protocol/failures.js';
import { isLinux, isOver, type ProcessRow, ps, readProc, readRow, slicesOf } from './process-reading.js';

/**
 * All live processes that this user can see, as of a moment after the call: callers during a listing share the next
 * one, since a process may have started behind the current one. Rejects only when the system does not answer.
 */
export function listProcesses(): Promise<ProcessRow[]> {
  if (!listing) return list();
  // The caller of that listing gets its failure; the next listing starts from the beginning.
  next ??= listing.then(list, list);
  return next;
}

let listing: Promise<ProcessRow[]> | undefined;
let next: Promise<ProcessRow[]> | undefined;

function list(): Promise<ProcessRow[]> {
  next = undefined;
  const started = (isLinux ? listFromProc() : listWithPs()).finally(() => {
    if (listing === started) listing = undefined;
  });
  listing = started;
  return started;
}

async function listFromProc(): Promise<ProcessRow[]> {
  const rows: ProcessRow[] = [];
  await lookAtAll((pid) => {
    const row = readRow(pid);
    if (row) rows.push(row);
    return 'seen';
  });
  return rows;
}

async function listWithPs(): Promise<ProcessRow[]> {
  const stdout = await ps('-axo', 'pid=,ppid=,pgid=,state=,lstart=');
  return stdout.split('\n').flatMap((line) => {
    const [pid, parent, group, state, ...started] = line.trim().split(/\s+/);
    if (isOver(state?.[0])) return [];
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), startTime: started.join(' ') }];
  });
}

/** The live processes that were started with this environment variable. The user's own and root's are readable. */
export async function findByEnvironment(name: string, value: string): Promise<ProcessRow[]> {
  const entry = `${name}=${value}`;
  return isLinux ? findInProc(`${entry}\0`) : findWithPs(entry);
}

async function findInProc(wanted: string): Promise<ProcessRow[]> {
  const found: ProcessRow[] = [];
  await lookAtAll((pid) => {
    const environment = readProc(pid, 'environ');
    // A process in the middle of `exec` briefly has none.
    if (environment === '') return 'unclear';
    const row = environment?.includes(wanted) && pid !== process.pid ? readRow(pid) : undefined;
    if (row) found.push(row);
    return 'seen';
  });
  return found;
}

async function findWithPs(entry: string): Promise<ProcessRow[]> {
  const lines = (await ps('-axEww', '-o', 'pid=,command=')).split('\n').filter((line) => line.includes(entry));
  const pids = new Set(lines.map((line) => Number.parseInt(line, 10)));
  return (await listWithPs()).filter(({ pid }) => pids.has(pid) && pid !== process.pid);
}

const listPids = async () => (await readdir('/proc')).map(Number).filter(Number.isInteger);

const MAX_PASSES = 8;

/**
 * Checks each process, and repeats the listing until it holds no new one: a process that starts another and ends
 * between two slices would hide it. Unclear ones are checked in each pass.
 */
export async function lookAtAll(
  look: (pid: number) => 'seen' | 'unclear',
  list: () => Promise<number[]> = listPids,
): Promise<void> {
  const seen = new Set<number>();
  const unclear = new Set<number>();
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const pids = (await list()).filter((pid) => !seen.has(pid));
    const hasNew = pids.some((pid) => !unclear.has(pid));
    for await (const slice of slicesOf(pids)) {
      for (const pid of slice) (look(pid) === 'seen' ? seen : unclear).add(pid);
    }
    if (!hasNew) return;
  }
}

export interface WriterQuery {
  /** A part of the path of the file that it writes to. */
  part: string;
  /** It was started without this environment variable. */
  without: string;
}

/**
 * Processes left by their parents that write into such a file. Empty where the system does not report it: only Linux
 * does.
 */
export async function findOrphanedWriters(
  rows: readonly ProcessRow[],
  { part, without }: WriterQuery,
): Promise<ProcessRow[]> {
  if (!isLinux) return [];
  const found: ProcessRow[] = [];
  const isWanted = (row: ProcessRow) =>
    isKnownOrphan(row) &&
    [1, 2].some((stream) => writesTo(row.pid, stream, part)) &&
    readProc(row.pid, 'environ')?.includes(`${without}=`) === false;
  for await (const slice of slicesOf(rows)) found.push(...slice.filter(isWanted));
  return found;
}

/** Evaluated once for each row: a daemon that adopts many children checks one listing for all of them. */
function isKnownOrphan(row: ProcessRow): boolean {
  const known = orphans.get(row) ?? isOrphan(row);
  orphans.set(row, known);
  return known;
}

const orphans = new WeakMap<ProcessRow, boolean>();

/** Its parent has ended: init has adopted it, or a user's systemd. */
const isOrphan = ({ parent }: ProcessRow): boolean => parent === 1 || readProc(parent, 'comm')?.trim() === 'systemd';

const ACCESS_MODE = 3;
const OCTAL = 8;

function writesTo(pid: number, stream: number, part: string): boolean {
  try {
    if (!readlinkSync(`/proc/${pid}/fd/${stream}`).includes(part)) return false;
    const flags = /^flags:\s+(\d+)/m.exec(readProc(pid, `fdinfo/${stream}`) ?? '')?.[1] ?? '0';
    return (Number.parseInt(flags, OCTAL) & ACCESS_MODE) !== 0;
  } catch (error) {
    // It has ended, is another user's, or has no such stream.
    if (isScarcity(error)) throw error;
    return false;
  }
}
