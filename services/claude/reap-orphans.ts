import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Descendants } from './descendants.js';
import { endChild } from './end-child.js';
import { InputFifo, isTorn } from './input-fifo.js';
import { judgeOutput, type OrphanVerdict } from './orphan-verdict.js';
import { isAlive } from './process-identity.js';
import { type ProcessRecord, type RunFiles, readProcessRecord, runFiles } from './process-record.js';
import { CHILD_MARKER, SESSION_MARKER, type Sweep, sweep } from './sweep.js';

export interface ReapOptions {
  /** Where `run/<session>/` is. */
  runFolder: string;
  /** A file that holds `token` for as long as no daemon has come back. */
  watchFile: string;
  token: string;
  /** Whether those that wait for a person have waited long enough. */
  endWaiting: boolean;
}

/**
 * Looks at the children that no daemon has come back for: ends those that are idle, and what is left of those that have
 * ended. Resolves with how many go on. Each that it ends gets a mark, for the daemon that comes at last.
 */
export async function reapOrphans(options: ReapOptions): Promise<number> {
  const left = await Promise.all(readdirSync(options.runFolder).map((sessionId) => reap(options, sessionId)));
  return left.filter(Boolean).length;
}

/** Whether the session's child goes on. */
async function reap(options: ReapOptions, sessionId: string): Promise<boolean> {
  const files = runFiles(options.runFolder, sessionId);
  const record = readProcessRecord(files);
  // By the child where it is known: the session's marker is also that of one that a daemon may be starting.
  const left: Sweep = record
    ? { marker: CHILD_MARKER, value: record.childId, descendants: new Descendants(record) }
    : { marker: SESSION_MARKER, value: sessionId };
  if (!record || !(await isAlive(record))) {
    if (isAbandoned(options)) await sweep(left);
    return false;
  }
  const verdict = await judge(files);
  if (verdict === 'working' || (verdict === 'waiting' && !options.endWaiting)) return true;
  mark(files);
  if (!isAbandoned(options)) {
    rmSync(files.orphaned, { force: true });
    return true;
  }
  await endOrphan({ files, record, left, isWaiting: verdict === 'waiting' });
  return false;
}

/** False as soon as a daemon has come back: the children are its own then. */
function isAbandoned({ watchFile, token }: ReapOptions): boolean {
  try {
    return readFileSync(watchFile, 'utf8').trim() === token;
  } catch {
    // What cannot be told must not cost a child its life: the next look tells.
    return false;
  }
}

/** One whose output cannot be read may be at work. */
const judge = (files: RunFiles): Promise<OrphanVerdict> => judgeOutput(files.stdout).catch(() => 'working');

/** Without it, for want of room, the end looks like a crash. */
function mark(files: RunFiles): void {
  try {
    writeFileSync(files.orphaned, '', { mode: 0o600 });
  } catch {
    // The disk is full.
  }
}

interface Orphan {
  files: RunFiles;
  record: ProcessRecord;
  left: Sweep;
  isWaiting: boolean;
}

/** One that waits is not asked: it would withdraw its request, as if a person had cancelled it. */
async function endOrphan({ files, record, left, isWaiting }: Orphan): Promise<void> {
  const input = isWaiting ? undefined : openInput(files);
  await endChild({ identity: record, ...(input && { ask: () => askToEnd(input) }), left });
  input?.close();
}

/** Nothing can be said to a child that has half a line in its input. */
function openInput({ stdin }: RunFiles): InputFifo | undefined {
  try {
    // One that does not take the words any more is ended by signals.
    return isTorn(stdin) ? undefined : new InputFifo(stdin, () => {});
  } catch {
    // Nobody reads it any more, or it is gone: the child is ended by signals.
    return undefined;
  }
}

function askToEnd(input: InputFifo): void {
  for (const subtype of ['interrupt', 'end_session']) {
    input.write({ type: 'control_request', request_id: `orphan-${subtype}`, request: { subtype } });
  }
}
