/** What a turn changes in files: collected while it runs, and told when the directory has been compared after it. */

import type { BlobRef } from '../../ports/blobs.js';
import type { FileChange } from '../../ports/claude.js';
import type { DiffPlace, OwedDiff, PromptRecord } from '../../ports/records.js';
import type { ChangedFile } from '../../ports/snapshots.js';
import type { SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';

const MAX_FILES = 1000;
const MAX_CHANGES = 10_000;

/** Tools that change no file of the person's. Every other one may, also one that is not known. */
const ONLY_READING = new Set([
  'Read',
  'Glob',
  'Grep',
  'LS',
  'NotebookRead',
  'WebFetch',
  'WebSearch',
  'ToolSearch',
  'TodoWrite',
  'TaskOutput',
  'AskUserQuestion',
  'EnterPlanMode',
  'ExitPlanMode',
]);

/** A tool is used: whether the directory must be compared after the turn. */
export function noteTool(builder: StepBuilder, toolName: string): void {
  if (!builder.state.record.changes && !ONLY_READING.has(toolName)) builder.updateRecord({ changes: { files: {} } });
}

/** The change with its path as clients see it: relative to the session's directory, where it is below that. */
export function shownChange(builder: StepBuilder, { hunks, path, additions, deletions, isNew }: FileChange) {
  const folder = `${builder.state.record.directory}/`;
  return {
    path: path.startsWith(folder) ? path.slice(folder.length) : path,
    additions,
    deletions,
    patch: hunks,
    ...(isNew && { isNew }),
  };
}

/** Counts a change that was recorded under this seq towards the turn. Costs the number of files of the turn. */
export function noteChange(builder: StepBuilder, change: ReturnType<typeof shownChange>, seq: number): void {
  const { changes = { files: {} } } = builder.state.record;
  const known = changes.files[change.path];
  const counts = Object.values(changes.files).map((one) => one.length - 2);
  const isTooMuch = counts.reduce((sum, count) => sum + count, 0) >= MAX_CHANGES;
  if (isTooMuch || (!known && counts.length >= MAX_FILES)) {
    builder.updateRecord({ changes: { ...changes, isCut: true } });
    return;
  }
  const [additions, deletions, ...seqs] = known ?? [0, 0];
  const sums = [additions + change.additions, deletions + change.deletions, ...seqs, seq] as const;
  builder.updateRecord({ changes: { ...changes, files: { ...changes.files, [change.path]: sums } } });
}

/** Ends the turn for the comparison, which follows. Nothing when no tool ran that may have changed a file. */
export function owedChanges(builder: StepBuilder): { changes?: Omit<OwedDiff, 'prompts'> } {
  const { changes, turnBegan = builder.now } = builder.state.record;
  builder.clearRecord('changes', 'turnBegan');
  return changes ? { changes: { ...changes, since: Math.min(turnBegan, builder.now), until: builder.now } } : {};
}

/** The changes of these prompts' turn are owed, until they are told. */
export function oweDiff(builder: StepBuilder, owed: OwedDiff): void {
  builder.updateRecord({ owedDiffs: [...(builder.state.record.owedDiffs ?? []), owed] });
  builder.effect({ kind: 'compareFiles', owed });
}

const isOf = (owed: OwedDiff) => (other: OwedDiff) => other.since === owed.since && other.until === owed.until;

export interface ToldDiff {
  owed: OwedDiff;
  /** The prompts of the turn, as far as they are on record: its own first. */
  prompts: readonly PromptRecord[];
  files: ChangedFile[];
  truncated: boolean;
  partial: boolean;
  /** The whole patch, when it is small; else in the blob and in the changes. */
  patch?: string | undefined;
  blob?: (BlobRef & { patchAt: number }) | undefined;
  /** The seqs of the tool results whose changes are not in the blob. */
  changes: readonly number[];
}

/** Publishes what a turn has changed, and records where it is. */
export function tellDiff(state: SessionState, told: ToldDiff, now: number): Step {
  const builder = new StepBuilder(state, now);
  const { owed, prompts, files, partial } = told;
  const left = (state.record.owedDiffs ?? []).filter((other) => !isOf(owed)(other));
  if (left.length > 0) builder.updateRecord({ owedDiffs: left });
  else builder.clearRecord('owedDiffs');
  const seq = files.length > 0 ? diffEvent(builder, told) : undefined;
  if (seq !== undefined || partial) notePlace(builder, prompts, placeOf(told, seq));
  return builder.finish();
}

const placeOf = ({ changes, blob, partial }: ToldDiff, seq: number | undefined): DiffPlace => ({
  changes,
  ...(seq !== undefined && { seq }),
  ...(blob && { patchAt: blob.patchAt }),
  ...(partial && { partial }),
});

function notePlace(builder: StepBuilder, prompts: readonly PromptRecord[], diff: DiffPlace): void {
  for (const prompt of prompts) {
    if (prompt.outcome) builder.putPrompt({ ...prompt, outcome: { ...prompt.outcome, diff } });
  }
}

function diffEvent(builder: StepBuilder, { prompts, files, truncated, partial, patch, blob }: ToldDiff): number {
  const { seq } = builder.event(
    'turnDiff',
    {
      ...aboutDiff(builder.state, prompts),
      files,
      ...(patch !== undefined && { patch }),
      ...(partial && { partial }),
      ...(truncated && { truncated }),
    },
    blob && { blob: { id: blob.id, bytes: blob.bytes, sum: blob.sum } },
  );
  return seq;
}

/** The first fields of the event. */
export const aboutDiff = ({ record }: Pick<SessionState, 'record'>, [main]: readonly PromptRecord[]) => ({
  sessionId: record.sessionId,
  ...(main && { promptId: main.promptId }),
});
