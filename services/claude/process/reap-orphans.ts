import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { CliFact } from '../../ports/claude.js';
import { FactReader } from '../stream/fact-reader.js';
import { LineSplitter } from '../stream/line-splitter.js';
import { Descendants } from './descendants.js';
import { endChild } from './end-child.js';
import { InputFifo, isTorn } from './input-fifo.js';
import { isAlive } from './process-identity.js';
import { type ProcessRecord, type RunFiles, readProcessRecord, runFiles } from './process-record.js';
import { CHILD_MARKER, SESSION_MARKER, type Sweep, sweep } from './sweep.js';

export interface ReapOptions {
  /** The parent folder of `run/<session>/`. */
  runFolder: string;
  /** A file that contains `token` until a daemon has come back. */
  watchFile: string;
  token: string;
  /** Whether the wait for a person's answer has expired. */
  endWaiting: boolean;
}

/**
 * Checks the children that no daemon has come back for: ends idle ones, and leftovers of ended ones. Resolves with the
 * number of those that continue. Each child that it ends gets a mark for a later daemon.
 */
export async function reapOrphans(options: ReapOptions): Promise<number> {
  const left = await Promise.all(readdirSync(options.runFolder).map((sessionId) => reap(options, sessionId)));
  return left.filter(Boolean).length;
}

/** Whether the session's child continues. */
async function reap(options: ReapOptions, sessionId: string): Promise<boolean> {
  const files = runFiles(options.runFolder, sessionId);
  const record = readProcessRecord(files);
  // By the child where it is known: a child that a daemon may be starting has the same session marker.
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

/** False as soon as a daemon has come back: it owns the children then. */
function isAbandoned({ watchFile, token }: ReapOptions): boolean {
  try {
    return readFileSync(watchFile, 'utf8').trim() === token;
  } catch {
    // An unknown state must not end a child: the next check decides.
    return false;
  }
}

/** A child with unreadable output may be working. */
const judge = (files: RunFiles): Promise<OrphanVerdict> => judgeOutput(files.stdout).catch(() => 'working');

/** Without it, for lack of space, the end looks like a crash. */
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

/** A waiting child is not asked to end: it would withdraw its request as if a person had cancelled it. */
async function endOrphan({ files, record, left, isWaiting }: Orphan): Promise<void> {
  const input = isWaiting ? undefined : openInput(files);
  await endChild({ identity: record, ...(input && { ask: () => askToEnd(input) }), left });
  input?.close();
}

/** A child with half a line in its input can receive nothing. */
function openInput({ stdin }: RunFiles): InputFifo | undefined {
  try {
    // A child that no longer accepts input is ended by signals.
    return isTorn(stdin) ? undefined : new InputFifo(stdin, () => {});
  } catch {
    // The FIFO has no reader, or is gone: the child is ended by signals.
    return undefined;
  }
}

function askToEnd(input: InputFifo): void {
  for (const subtype of ['interrupt', 'end_session']) {
    input.write({ type: 'control_request', request_id: `orphan-${subtype}`, request: { subtype } });
  }
}

/** `waiting`: for a person's answer. */
export type OrphanVerdict = 'idle' | 'working' | 'waiting';

const CHUNK_BYTES = 256 * 1024;
/** A longer line is ignored. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
/** Most lines are of this type, and none adds to what its turn's `init` has shown. */
const STREAMED = Buffer.from('{"type":"stream_event"');

/** Determines a child's activity from its complete output. Reading 64 MiB takes about 0.5 s. */
async function judgeOutput(path: string): Promise<OrphanVerdict> {
  const state = new TurnState();
  const reader = new FactReader({
    childId: '',
    isTaken: () => false,
    onControlResponse: ({ request_id: requestId }) => [{ kind: 'permissionRead', requestId }],
  });
  const splitter = new LineSplitter(0, MAX_LINE_BYTES);
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const file = await open(path, 'r');
  try {
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES);
      if (bytesRead === 0) return state.verdict();
      for (const line of splitter.push(chunk.subarray(0, bytesRead))) {
        if (line.bytes.subarray(0, STREAMED.length).equals(STREAMED)) continue;
        for (const fact of reader.read(line).facts) state.take(fact);
      }
    }
  } finally {
    await file.close();
  }
}

class TurnState {
  #runs = false;
  readonly #asked = new Set<string>();
  #tasks = new Set<string>();

  take(fact: CliFact): void {
    if (fact.kind === 'init') this.#runs = true;
    else if (fact.kind === 'result') this.#runs = false;
    else if (fact.kind === 'permissionAsked') this.#asked.add(fact.ask.requestId);
    // Without a daemon, the request is not refused.
    else if (fact.kind === 'unknownRequest') this.#asked.add(fact.requestId);
    else if (fact.kind === 'permissionWithdrawn' || fact.kind === 'permissionRead') this.#asked.delete(fact.requestId);
    else if (fact.kind === 'background') this.#takeChange(fact.change);
  }

  #takeChange(change: Extract<CliFact, { kind: 'background' }>['change']): void {
    if (change.kind === 'all') this.#tasks = new Set(change.tasks.map(({ taskId }) => taskId));
    else if (change.kind === 'added') this.#tasks.add(change.task.taskId);
    else if (change.kind === 'removed') this.#tasks.delete(change.taskId);
  }

  verdict(): OrphanVerdict {
    if (this.#asked.size > 0) return 'waiting';
    return this.#runs || this.#tasks.size > 0 ? 'working' : 'idle';
  }
}
