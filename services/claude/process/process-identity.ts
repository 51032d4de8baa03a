/** Identifies the process of a pid: the system reuses a pid after its process has ended. */

import { execFile } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { isScarcity } from '../../../protocol/failures.js';
import { bootId, isLinux, isOver, type ProcessIdentity, ps, readRow, slicesOf } from './process-reading.js';

/**
 * The identity of a live process; undefined when there is none or only a zombie. Rejects when it cannot be determined
 * for now: the check takes a descriptor, or on macOS a process.
 */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const startTime = isLinux ? readRow(pid)?.startTime : await psStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether exactly this process still lives. While that cannot be determined, any process with its pid counts. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  if (isLinux) return livesInProc(identity);
  try {
    return isSame(identity, await identify(identity.pid));
  } catch {
    // `ps` could not run for lack of resources.
    return isThere(identity.pid);
  }
}

/** Whether one of these processes still lives. */
export async function someLive(identities: readonly ProcessIdentity[]): Promise<boolean> {
  if (!isLinux) return (await Promise.all(identities.map(isAlive))).includes(true);
  for await (const slice of slicesOf(identities)) if (slice.some(livesInProc)) return true;
  return false;
}

/** Signals these processes and none that has reused their pids: none at all while that cannot be determined. */
export async function signalEach(identities: readonly ProcessIdentity[], signal: NodeJS.Signals): Promise<void> {
  for await (const slice of slicesOf(identities)) {
    if (isLinux) for (const identity of slice) signalInProc(identity, signal);
    else await Promise.all(slice.map((identity) => signalByPs(identity, signal)));
  }
}

function signalInProc(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    if (isSame(identity, readRow(identity.pid))) process.kill(identity.pid, signal);
  } catch {
    // It ended between the two calls, or cannot be identified.
  }
}

async function signalByPs(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  try {
    if (isSame(identity, await identify(identity.pid))) process.kill(identity.pid, signal);
  } catch {
    // As above.
  }
}

function livesInProc(identity: ProcessIdentity): boolean {
  try {
    return isSame(identity, readRow(identity.pid));
  } catch {
    // The file could not be opened for lack of resources.
    return isThere(identity.pid);
  }
}

const isSame = (recorded: ProcessIdentity, found: ProcessIdentity | undefined): boolean =>
  found !== undefined && isSameStart(recorded.startTime, found.startTime);

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** A record from a daemon that did not store the boot id is trusted: its child must survive the upgrade. */
export const isSameStart = (recorded: string, found: string): boolean =>
  recorded === found || (bootId !== '' && !recorded.includes('@') && `${recorded}@${bootId}` === found);

export interface Liveness {
  isAlive(): boolean;
  close(): void;
}

/**
 * For frequent checks of one process. On Linux a file of the process is kept open: reading it fails after its end, even
 * when the pid is reused, and a check costs 1 µs. Elsewhere a check looks only at the pid, and occasionally, outside
 * the loop, at its identity.
 */
export function openLiveness(identity: ProcessIdentity): Liveness {
  if (!isLinux) return livenessByPid(identity);
  const file = openMemory(identity);
  if (file === undefined) return { isAlive: () => livesInProc(identity), close: () => {} };
  return { isAlive: () => hasMemory(file) || livesInProc(identity), close: () => closeSync(file) };
}

const LOOKS_BEHIND_PID = 32;

function livenessByPid(identity: ProcessIdentity): Liveness {
  let looks = 0;
  let hasEnded = false;
  const lookBehind = async () => {
    hasEnded = !isSame(identity, await identify(identity.pid));
  };
  const isAlive = () => {
    looks += 1;
    // A failure here needs no handling: the check itself detects an unused pid.
    if (looks % LOOKS_BEHIND_PID === 0) lookBehind().catch(() => {});
    return !hasEnded && isThere(identity.pid);
  };
  return { isAlive, close: () => {} };
}

/** The file belongs to the process that has the pid when it is opened, so the identity is checked afterwards. */
function openMemory(identity: ProcessIdentity): number | undefined {
  try {
    const file = openSync(`/proc/${identity.pid}/statm`, 'r');
    if (livesInProc(identity)) return file;
    closeSync(file);
  } catch {
    // It has ended, or no descriptor is free.
  }
  return undefined;
}

const firstByte = Buffer.alloc(1);
const ZERO = '0'.charCodeAt(0);

/** Whether the file begins with a size above 0, which no ended process has. A zombie's is 0. */
function hasMemory(file: number): boolean {
  try {
    return readSync(file, firstByte, 0, 1, 0) === 1 && firstByte[0] !== ZERO;
  } catch {
    // `ESRCH`: it has ended since the file was opened; reading an open file needs no other resource.
    return false;
  }
}

/** Resident memory in bytes; undefined when it cannot be determined. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  try {
    const kibibytes = isLinux
      ? /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
      : await ps('-o', 'rss=', '-p', String(pid));
    return kibibytes ? Number(kibibytes) * 1024 : undefined;
  } catch {
    // The figure is informative only, so it is omitted.
    return undefined;
  }
}

/** `ps` also fails when there is no such process. */
async function psStartTime(pid: number): Promise<string | undefined> {
  try {
    const [state = '', ...started] = (await ps('-o', 'state=,lstart=', '-p', String(pid))).split(/\s+/);
    return isOver(state[0]) ? undefined : started.join(' ');
  } catch (error) {
    if (isScarcity(error)) throw error;
    return undefined;
  }
}

// The working directory of a process, whatever its current name. Linux reports it in /proc; elsewhere (macOS) `lsof`
// does, which was written after its manual page and has not been tried there.

const run = promisify(execFile);

export interface ProcessDirectory {
  /** Leads to the directory itself, even after a rename. */
  handle: string;
  /** Its current name; undefined when it was removed. */
  path: string | undefined;
}

const REMOVED = ' (deleted)';

/** Undefined when it cannot be determined, for example because the process is gone. */
export async function directoryOf(pid: number): Promise<ProcessDirectory | undefined> {
  try {
    return process.platform === 'linux' ? await byProc(pid) : await byLsof(pid);
  } catch {
    // It is gone, is another user's, or no descriptor is free: then the path counts, as before.
    return undefined;
  }
}

async function byProc(pid: number): Promise<ProcessDirectory> {
  const handle = `/proc/${pid}/cwd`;
  const path = await readlink(handle);
  return { handle, path: path.endsWith(REMOVED) ? undefined : path };
}

async function byLsof(pid: number): Promise<ProcessDirectory | undefined> {
  const { stdout } = await run('lsof', ['-a', '-p', String(pid), '-d', 'cwd', '-Fn'], { timeout: 5000 });
  const path = /^n(\/.*)$/m.exec(stdout)?.[1];
  return path === undefined ? undefined : { handle: path, path };
}
