/** The thread that compares directories. Its jobs take turns, so that a large directory does not delay a small one. */
import { lstatSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { writeBriefly } from '../../../disk/write-whole.js';
import { wholeDiff } from '../../model/whole-diff.js';
import type { ReportedFiles, SnapshotPlace, TreeDiff, TurnTime } from '../../ports/snapshots.js';
import { compareTree, noteTree, type SnapshotOptions, type WholeTreeDiff } from './compare-tree.js';

export interface SnapshotSettings {
  /** Has a folder for each session. */
  folder: string;
  /** Folders and files that no snapshot looks into. */
  never: readonly string[];
  allowSensitive: boolean;
}

interface Comparing extends TurnTime {
  reported: ReportedFiles;
  about: object;
}

export type SnapshotRequest =
  | { kind: 'note'; place: SnapshotPlace; at: number }
  | { kind: 'compare'; id: number; place: SnapshotPlace; turn: Comparing }
  | { kind: 'told'; sessionId: string; turn: TurnTime }
  | { kind: 'forget'; sessionId: string };

export interface SnapshotAnswer {
  id: number;
  /** Or why there is none. */
  diff: TreeDiff | string;
}

/** The longest time that one job keeps the others waiting, in milliseconds. */
const SLICE_MS = 20;
/** UTF-16 units of a patch that the event itself has. */
const MAX_SHOWN_UNITS = 32 * 1024;

const settings = workerData as SnapshotSettings;

/** The jobs of each session, in their order. */
const queues = new Map<string, Generator<undefined, unknown>[]>();
/** When each directory was noted for its present turn. */
const notedAt = new Map<string, number>();
let isRunning = false;

parentPort?.on('message', (request: SnapshotRequest) => {
  const sessionId = 'place' in request ? request.place.sessionId : request.sessionId;
  queues.set(sessionId, [...(queues.get(sessionId) ?? []), jobOf(request)]);
  if (!isRunning) run();
});

function run(): void {
  isRunning = queues.size > 0;
  for (const [sessionId, jobs] of queues) {
    if (runSlice(jobs[0])) continue;
    jobs.shift();
    if (jobs.length === 0) queues.delete(sessionId);
  }
  // New requests are taken in between.
  if (isRunning) setImmediate(run);
}

/** Returns whether the job has more to do. */
function runSlice(job: Generator<undefined, unknown> | undefined): boolean {
  const until = performance.now() + SLICE_MS;
  while (job && performance.now() < until) if (job.next().done) return false;
  return job !== undefined;
}

function* jobOf(request: SnapshotRequest): Generator<undefined, void> {
  switch (request.kind) {
    case 'note':
      return yield* note(request);
    case 'compare':
      return yield* compare(request);
    case 'told':
      return rmSync(toldPath(request.sessionId, request.turn), { force: true });
    case 'forget':
      notedAt.delete(request.sessionId);
      return rmSync(folderOf(request.sessionId), { recursive: true, force: true });
  }
}

const toldPath = (sessionId: string, { since, until }: TurnTime): string =>
  join(folderOf(sessionId), `told-${since}-${until}.json`);

const folderOf = (sessionId: string): string => join(settings.folder, basename(sessionId));

const optionsOf = ({ sessionId, directory, key }: SnapshotPlace): SnapshotOptions => ({
  folder: folderOf(sessionId),
  directory,
  key,
  never: new Set(settings.never.flatMap(keyOf)),
  allowSensitive: settings.allowSensitive,
});

function keyOf(folder: string): string[] {
  const found = lstatSync(folder, { bigint: true, throwIfNoEntry: false });
  return found ? [`${found.dev}:${found.ino}`] : [];
}

function* note({ place, at }: Extract<SnapshotRequest, { kind: 'note' }>): Generator<undefined, void> {
  if (notedAt.get(place.sessionId) === at) return;
  try {
    notedAt.delete(place.sessionId);
    yield* noteTree(optionsOf(place), at);
    notedAt.set(place.sessionId, at);
  } catch {
    // A full disk, or a directory that is gone: the comparison finds that nothing was noted.
  }
}

function* compare({ id, place, turn }: Extract<SnapshotRequest, { kind: 'compare' }>): Generator<undefined, void> {
  const path = toldPath(place.sessionId, turn);
  const known = readTold(path);
  if (known) return post({ id, diff: treeDiffOf(known, turn.about) });
  const isNoted = notedAt.get(place.sessionId) === turn.since;
  let isAnswered = false;
  const answer = (diff: WholeTreeDiff) => {
    // Before the note moves on: the next daemon asks again when this one cannot record the answer.
    writeBriefly(path, JSON.stringify(diff));
    post({ id, diff: treeDiffOf(diff, turn.about) });
    isAnswered = true;
  };
  try {
    yield* compareTree(optionsOf(place), { ...turn, isNoted, answer });
  } catch (error) {
    if (!isAnswered) post({ id, diff: (error as Error).message });
  }
}

function post(answer: SnapshotAnswer): void {
  const json = typeof answer.diff === 'string' ? undefined : answer.diff.whole?.json;
  parentPort?.postMessage(answer, json ? [json.buffer as ArrayBuffer] : []);
}

function readTold(path: string): WholeTreeDiff | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as WholeTreeDiff;
  } catch {
    // There is none, as a rule.
    return undefined;
  }
}

function treeDiffOf({ patch, ...diff }: WholeTreeDiff, about: object): TreeDiff {
  if (patch.length <= MAX_SHOWN_UNITS) return { ...diff, patch };
  const { files, partial, truncated } = diff;
  const event = { ...about, files, ...(partial && { partial }), ...(truncated && { truncated }) };
  return { ...diff, whole: wholeDiff(event, patch) };
}
