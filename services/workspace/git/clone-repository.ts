import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import { transportOf } from '../../../protocol/clone-address.js';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { CloneProgress } from '../../../protocol/projects.js';
import { ifSeen } from '../file-errors.js';
import { CloneWords } from './clone-progress.js';
import { gitFailure, startFailure } from './git-failure.js';
import { ALONE } from './lonely-git.js';
import { personEnvironment } from './person-environment.js';
import { type GitResult, plainEnvironment, runGit } from './run-git.js';

export interface Cloning {
  address: string;
  addressField: string;
  /** An empty folder. */
  staging: string;
  /** Where in it the repository is made. */
  made: string;
  /** The person's. */
  environment: Readonly<Record<string, string>>;
  /** Variables by which all processes of the clone are found. */
  mark: Readonly<Record<string, string>>;
  maxBytes: number;
  timeoutMs: number;
  signal: AbortSignal;
  onProgress: (progress: CloneProgress) => void;
}

/** A host that sends nothing for two minutes has gone, also for a git whose daemon has died. */
const WITHOUT_STALLS = ['-c', 'http.lowSpeedLimit=1', '-c', 'http.lowSpeedTime=120'];

/**
 * Makes a repository from an accepted address. The files are not checked out by the git that fetches, which has
 * the settings of the person, but by another one without any: what a repository contains can make only those run a
 * program. Rejects with the errors of `Repositories.clone`.
 */
export async function cloneRepository(cloning: Cloning): Promise<void> {
  const limits = new AbortController();
  const signal = AbortSignal.any([cloning.signal, limits.signal]);
  const { addressField: field } = cloning;
  const late = () =>
    limits.abort(new CompanionError('TIMEOUT', 'The repository could not be cloned in time.', { field }));
  const deadline = setTimeout(late, cloning.timeoutMs);
  const words = new CloneWords(cloning.onProgress);
  const work = { ...cloning, signal, words };
  const watch = limitSize(work, () => limits.abort(tooLarge(cloning)));
  try {
    await fetchInto(work);
    await checkOut(work);
  } finally {
    clearTimeout(deadline);
    limits.abort();
    await watch;
  }
}

interface Work extends Cloning {
  words: CloneWords;
}

async function fetchInto(work: Work): Promise<void> {
  const { address, made, environment } = work;
  const transport = transportOf(address);
  const direct = transport === 'http' ? ['-c', 'http.followRedirects=false'] : [];
  const options = ['--no-checkout', '--progress', '--template=', '--no-recurse-submodules', '--origin=origin'];
  const args = [...ALONE, ...WITHOUT_STALLS, ...direct, 'clone', ...options, '--', address, made];
  const { code } = await run(work, { args, environment: personEnvironment(environment, transport) });
  if (code !== 0) throw gitFailure(work.words.complaint, work.addressField);
}

const HEAD = 'HEAD^{commit}';
const MAX_LIST_BYTES = 32 * 1024 * 1024;

/** Nothing is checked out of a repository without commits. */
async function checkOut(work: Work): Promise<void> {
  const home = join(work.staging, 'home');
  await mkdir(home);
  const environment = plainEnvironment({ path: work.environment.PATH, home });
  const git = (args: string[], maxBytes?: number) =>
    run(work, { args: ['-C', work.made, ...ALONE, ...args], environment, maxBytes });
  const { code: hasNone } = await git(['rev-parse', '--verify', '--quiet', HEAD]);
  if (hasNone !== 0) return;
  const list = await git(['ls-tree', '-r', '-l', '-z', '--full-tree', 'HEAD'], MAX_LIST_BYTES);
  if (list.cut === 'size' || bytesOfFiles(list.output) > work.maxBytes) throw tooLarge(work);
  const { code } = await git(['checkout', '--force', '--progress']);
  if (code !== 0) throw gitFailure(work.words.complaint, work.addressField);
}

/** What an entry of a folder costs besides its contents. */
const ENTRY_BYTES = 4096;
const SIZE = /(\d+)$/;
const MAX_SIZE_DIGITS = 24;

/** Of the entries in the list `<mode> <type> <object> <size>\t<path>\0`. */
function bytesOfFiles(list: Buffer): number {
  let bytes = 0;
  for (let at = 0; at < list.length; ) {
    const tab = list.indexOf('\t', at);
    const end = list.indexOf(0, tab);
    if (tab < 0 || end < 0) return bytes;
    const size = SIZE.exec(list.toString('latin1', Math.max(at, tab - MAX_SIZE_DIGITS), tab))?.[1] ?? '0';
    bytes += Number(size) + ENTRY_BYTES;
    at = end + 1;
  }
  return bytes;
}

interface Run {
  args: string[];
  environment: Record<string, string>;
  maxBytes?: number | undefined;
}

const MAX_OUTPUT = 64 * 1024;

async function run(work: Work, { args, environment, maxBytes = MAX_OUTPUT }: Run): Promise<GitResult> {
  const { signal, words, timeoutMs, mark } = work;
  signal.throwIfAborted();
  const call = { args, cwd: '/', environment: { ...environment, ...mark }, timeoutMs, maxBytes, signal };
  const result = await runGit({ ...call, onWords: (text) => words.take(text) }).catch((error: unknown) => {
    throw startFailure(error, work.addressField);
  });
  signal.throwIfAborted();
  return result;
}

const LOOK_MS = 500;

/** Calls back once the objects are larger. Never rejects. */
async function limitSize({ made, maxBytes, signal }: Work, onTooLarge: () => void): Promise<void> {
  try {
    for await (const _ of setInterval(LOOK_MS, undefined, { signal, ref: false })) {
      if ((await bytesIn(join(made, '.git/objects'))) > maxBytes) return onTooLarge();
    }
  } catch {
    // It was ended; or the folder cannot be looked at, which git tells in its own way.
  }
}

async function bytesIn(folder: string): Promise<number> {
  const entries = (await ifSeen(readdir(folder, { recursive: true, withFileTypes: true }))) ?? [];
  let bytes = 0;
  for (const entry of entries) {
    const stats = entry.isFile() ? await ifSeen(lstat(join(entry.parentPath, entry.name))) : undefined;
    bytes += stats?.size ?? 0;
  }
  return bytes;
}

function tooLarge({ maxBytes, addressField: field }: Cloning): CompanionError {
  const rule = `must be a repository of at most ${maxBytes} bytes, as received and as checked out`;
  return new CompanionError('PAYLOAD_TOO_LARGE', `${field}: ${rule}`, { field, rule });
}
