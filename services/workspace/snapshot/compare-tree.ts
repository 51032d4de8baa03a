/** What has changed in a directory since it was noted. In slices: each generator yields between two files. */
import { lstatSync, type Stats } from 'node:fs';
import type { ChangedFile, ReportedFiles, TurnTime } from '../../ports/snapshots.js';
import { type FilePatch, patchOf, type Version } from './file-patch.js';
import { isSame, type Noted, noteOf } from './manifest.js';
import { readVersion, TreeSnapshot } from './tree-snapshot.js';
import { type FoundFile, type WalkOptions, type WalkResult, walkTree } from './tree-walk.js';

export interface SnapshotOptions extends WalkOptions {
  /** Where the directory's snapshot is. */
  folder: string;
}

/** How far the clock of a file system can be behind, in milliseconds: a file gets the time of the last tick. */
const LAG_MS = 10;

/** Notes the directory as it was at this time, in epoch milliseconds: what has changed since then has a later time. */
export function* noteTree(options: SnapshotOptions, at: number): Generator<undefined, void> {
  yield* withSnapshot(options, function* (snapshot) {
    const seen = new Set<string>();
    const walked = yield* forEachFile(options, (found) => {
      seen.add(found.path);
      noteFile(snapshot, found, at);
    });
    for (const { path, isGone, goneAt } of missingFiles(snapshot, seen, { options, walked })) {
      if (!isGone || goneAt <= at - LAG_MS) snapshot.drop(path);
    }
    return walked.isWhole;
  });
}

function noteFile(snapshot: TreeSnapshot, found: FoundFile, at: number): void {
  const known = snapshot.files.get(found.path);
  if (known && isSame(known, found)) return;
  const isFirst = !known && snapshot.isNew;
  const changedMs = known || isFirst ? found.stats.ctimeMs : found.arrivedMs;
  if (changedMs <= (isFirst ? at : at - LAG_MS)) snapshot.keep(found);
  // It has changed before it was first looked at.
  else if (isFirst) snapshot.set(found.path, noteOf(found, 'unknown'));
}

/** Saves the snapshot when `work` has ended, with whether it is whole. One that fails is forgotten. */
function* withSnapshot(
  { folder }: SnapshotOptions,
  work: (snapshot: TreeSnapshot) => Generator<undefined, boolean>,
): Generator<undefined, void> {
  const snapshot = new TreeSnapshot(folder);
  try {
    snapshot.save(yield* work(snapshot));
  } catch (error) {
    snapshot.discard();
    throw error;
  } finally {
    snapshot.close();
  }
}

function* forEachFile(options: WalkOptions, use: (found: FoundFile) => void): Generator<undefined, WalkResult> {
  const walk = walkTree(options);
  try {
    for (let next = walk.next(); ; next = walk.next()) {
      if (next.done) return next.value;
      use(next.value);
      yield;
    }
  } finally {
    walk.return({ isWhole: false, folders: new Map() });
  }
}

interface Walked {
  options: WalkOptions;
  walked: WalkResult;
}

interface MissingFile {
  path: string;
  /** False when it is there, but no longer covered. */
  isGone: boolean;
  /** When its folder was last changed: not before it went. */
  goneAt: number;
}

/** The noted files that were not found. None when the walk was cut, since they can be beyond its end. */
function missingFiles(snapshot: TreeSnapshot, seen: ReadonlySet<string>, { options, walked }: Walked): MissingFile[] {
  if (!walked.isWhole) return [];
  const missing = Array.from(snapshot.files.keys()).filter((path) => !seen.has(path));
  return missing.map((path) => {
    const names = path.split('/');
    // The nearest folder that is still there, and the next name on the way.
    let depth = names.length - 1;
    while (depth > 0 && !walked.folders.has(names.slice(0, depth).join('/'))) depth -= 1;
    const place = lookAt([options.directory, ...names.slice(0, depth + 1)].join('/'));
    const isGone = !place || (depth < names.length - 1 && !place.isDirectory());
    return { path, isGone, goneAt: walked.folders.get(names.slice(0, depth).join('/')) ?? 0 };
  });
}

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    // A part of the path is no folder.
    return undefined;
  }
}

export interface TurnOptions extends TurnTime {
  /** Paths that tools have reported. */
  reported: ReportedFiles;
  /** The directory was noted as it was at the beginning of the turn. */
  isNoted: boolean;
  /** Called with the diff before the directory is noted as it is now. */
  answer: (diff: WholeTreeDiff) => void;
}

/** All that a turn has changed. */
export interface WholeTreeDiff {
  files: ChangedFile[];
  truncated: boolean;
  partial: boolean;
  onlyReported: string[];
  patch: string;
}

/** What has changed during the turn. The directory is then noted as it was at its end. */
export function* compareTree(options: SnapshotOptions, turn: TurnOptions): Generator<undefined, void> {
  yield* withSnapshot(options, function* (snapshot) {
    const comparison = new Comparison(snapshot, turn);
    const seen = new Set<string>();
    const walked = yield* forEachFile(options, (found) => {
      seen.add(found.path);
      comparison.look(found);
    });
    for (const missing of missingFiles(snapshot, seen, { options, walked })) comparison.miss(missing);
    turn.answer(comparison.result({ options, walked }));
    return walked.isWhole;
  });
}

/** UTF-16 units of the patches of all files. */
const MAX_PATCH_UNITS = 16 * 1024 * 1024;
const MAX_FILES = 1000;
/** Of the paths of the files that are told, as JSON: an event has 255 KiB. */
const MAX_PATH_BYTES = 160 * 1024;

class Comparison {
  readonly #snapshot: TreeSnapshot;
  readonly #turn: TurnOptions;
  readonly #changes = new Map<string, FilePatch>();
  /** Files that have changed since the turn, which belong to the next one. */
  readonly #later = new Set<string>();
  /** Of a turn that cannot know what was there before. */
  readonly #isBlind: boolean;
  #units = 0;
  #isCut = false;

  constructor(snapshot: TreeSnapshot, turn: TurnOptions) {
    this.#snapshot = snapshot;
    this.#turn = turn;
    this.#isBlind = !snapshot.wasWhole;
  }

  look(found: FoundFile): void {
    const { path, stats } = found;
    const known = this.#snapshot.files.get(path);
    const isUnseen = known?.content === 'unknown' && stats.ctimeMs > this.#turn.since;
    if (known && isSame(known, found) && !isUnseen) return;
    if (stats.ctimeMs > this.#turn.until) this.#later.add(path);
    else if (this.#isFromBefore(known ? stats.ctimeMs : found.arrivedMs)) this.#snapshot.keep(found);
    else this.#compare(found, known);
  }

  miss({ path, isGone, goneAt }: MissingFile): void {
    const known = this.#snapshot.files.get(path);
    if (goneAt > this.#turn.until) this.#later.add(path);
    else {
      if (known && isGone && !this.#isFromBefore(goneAt))
        this.#add(path, patchOf(path, this.#snapshot.versionOf(known), undefined));
      this.#snapshot.drop(path);
    }
  }

  result({ options, walked }: Walked): WholeTreeDiff {
    const reported = Object.entries(this.#turn.reported).filter(([path]) => !this.#isKnown(path, options, walked));
    for (const [path] of reported) this.#changes.delete(path);
    const files = [
      ...Array.from(this.#changes, ([path, { additions, deletions, omitted }]): ChangedFile => {
        return { path, additions, deletions, ...(omitted && { omitted }) };
      }),
      ...reported.map(([path, [additions, deletions]]): ChangedFile => ({ path, additions, deletions })),
    ].sort((a, b) => (a.path < b.path ? -1 : 1));
    const told = firstFiles(files);
    const patches = Array.from(this.#changes).sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      files: told,
      truncated: this.#isCut || told.length < files.length,
      partial: this.#isBlind || !walked.isWhole || files.some(({ omitted }) => omitted === 'unknown'),
      onlyReported: reported.map(([path]) => path),
      patch: patches.map(([, { patch }]) => patch).join(''),
    };
  }

  /** When everything was noted for the turn, all that differs is of the turn; else the time decides. */
  #isFromBefore(changedMs: number): boolean {
    return changedMs <= this.#turn.since - LAG_MS && (this.#isBlind || !this.#turn.isNoted);
  }

  #compare(found: FoundFile, known: Noted | undefined): void {
    const { path } = found;
    const before = known ? this.#snapshot.versionOf(known) : this.#beforeNew(found);
    const after = readVersion(found);
    const patch = patchOf(path, before, after);
    if (patch) {
      this.#snapshot.keep(found, after);
      this.#add(path, patch);
    } else this.#snapshot.set(path, noteOf(found, known?.content ?? 'unknown'));
  }

  #beforeNew(found: FoundFile): Version | undefined {
    return this.#isBlind ? { mode: readVersion(found).mode, content: 'unknown' } : undefined;
  }

  #add(path: string, change: FilePatch | undefined): void {
    if (!change) return;
    const fits = this.#units + change.patch.length <= MAX_PATCH_UNITS;
    if (fits) this.#units += change.patch.length;
    else this.#isCut = true;
    this.#changes.set(path, fits ? change : { ...change, patch: '' });
  }

  /** Whether the comparison says all about a file that a tool has reported. */
  #isKnown(path: string, { directory }: WalkOptions, { isWhole }: WalkResult): boolean {
    const change = this.#changes.get(path);
    if (change) return change.omitted === undefined || change.omitted === 'binary';
    if (path.startsWith('/') || this.#later.has(path) || !isWhole) return false;
    return this.#snapshot.files.has(path) || !lookAt(`${directory}/${path}`);
  }
}

function firstFiles(files: readonly ChangedFile[]): ChangedFile[] {
  let bytes = 0;
  return files.slice(0, MAX_FILES).filter(({ path }) => {
    bytes += Buffer.byteLength(JSON.stringify(path));
    return bytes <= MAX_PATH_BYTES;
  });
}
