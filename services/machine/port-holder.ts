import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { promisify } from 'node:util';

/** A process that listens on a port. */
export interface PortHolder {
  pid: number;
  /** Its program and arguments, as far as readable. */
  command: string;
  /** `COMPANION_HOME` from its environment, if readable. */
  home?: string;
}

const LISTENING = '0A';
const PORT_DIGITS = 4;

/** The process that listens on a TCP port; undefined when unknown, as for processes of other users. */
export async function findPortHolder(port: number, platform: NodeJS.Platform): Promise<PortHolder | undefined> {
  const pid = platform === 'linux' ? holderOnLinux(port) : await holderByLsof(port);
  if (pid === undefined) return undefined;
  return platform === 'linux' ? describe(pid) : { pid, command: '' };
}

function holderOnLinux(port: number): number | undefined {
  const sockets = new Set([...socketsOf('/proc/net/tcp', port), ...socketsOf('/proc/net/tcp6', port)]);
  if (sockets.size === 0) return undefined;
  return readNames('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => readNames(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`))));
}

/** The sockets that listen on a port, in the notation of `/proc/<pid>/fd`. */
function socketsOf(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(PORT_DIGITS, '0');
  return read(table)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => state === LISTENING && local.endsWith(`:${wanted}`))
    .map((fields) => `socket:[${fields[9] ?? ''}]`);
}

/** Other users' processes are unreadable, and a process can exit meanwhile: neither can be named. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Unreadable, or exited meanwhile.
    return '';
  }
}

function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    // Unreadable, or exited meanwhile.
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Unreadable, or exited meanwhile.
    return '';
  }
}

function describe(pid: number): PortHolder {
  const command = read(`/proc/${pid}/cmdline`).split('\0').join(' ').trim();
  const home = read(`/proc/${pid}/environ`)
    .split('\0')
    .find((entry) => entry.startsWith('COMPANION_HOME='));
  return { pid, command, ...(home !== undefined && { home: home.slice('COMPANION_HOME='.length) }) };
}

const LSOF_MS = 3_000;

/** macOS includes `lsof`, which exits with 1 when it finds nothing. Without it the holder is not named. */
async function holderByLsof(port: number): Promise<number | undefined> {
  const args = ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-t'];
  // As above: the holder is not named.
  const found = await promisify(execFile)('lsof', args, { timeout: LSOF_MS }).catch(() => ({ stdout: '' }));
  const pid = Number(found.stdout.split('\n')[0]);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}
