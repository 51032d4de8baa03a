import { setImmediate as turnOfOthers } from 'node:timers/promises';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { EventData } from '../../../protocol/events.js';
import type { PromptId } from '../../../protocol/scalars.js';
import { patchText } from '../../model/patch-text.js';
import { wholeDiff } from '../../model/whole-diff.js';
import type { OwedDiff, PromptRecord } from '../../ports/records.js';
import type { SnapshotPlace, Snapshots, TreeDiff } from '../../ports/snapshots.js';
import { aboutDiff, type ToldDiff, tellDiff } from '../machine/turn-changes.js';
import type { SessionCore } from '../session-core.js';
import type { PersistentSteps } from './persistent-steps.js';

export interface TurnDiffsOptions {
  core: SessionCore;
  snapshots: Snapshots;
  steps: PersistentSteps;
}

interface Compared {
  owed: OwedDiff;
  prompts: readonly PromptRecord[];
  diff: TreeDiff;
}

/** UTF-16 units of a patch in the event itself. */
const MAX_SHOWN_UNITS = 32 * 1024;

/** Tells what each turn has changed in files: the directory is compared beside the event loop, after the turn. */
export class TurnDiffs {
  readonly #options: TurnDiffsOptions;
  /** One comparison after the other. */
  #last: Promise<void> = Promise.resolve();
  readonly #owed = new Map<PromptId, Promise<void>>();
  #isClosed = false;
  #isForgotten = false;

  constructor(options: TurnDiffsOptions) {
    this.#options = options;
  }

  /** A turn begins: its directory is as it was at this time, in epoch milliseconds. */
  note(at: number): void {
    this.#options.snapshots.note(this.#place, at);
  }

  /** Compares what earlier daemons could not. */
  recover(): void {
    for (const owed of this.#options.core.record.owedDiffs ?? []) this.compare(owed);
  }

  /** Repeated until it is recorded. */
  compare(owed: OwedDiff): void {
    const { journal } = this.#options.core;
    const prompts = owed.prompts.flatMap((promptId) => journal.findPrompt(promptId) ?? []);
    // Asked for at once: the note of the next turn follows.
    const compared = this.#compared(owed, prompts);
    const told = this.#last.then(async () => this.#tell({ owed, prompts, diff: await compared }));
    this.#last = told.catch((error: unknown) => this.#failed(owed, error));
    for (const promptId of owed.prompts) this.#owed.set(promptId, this.#last);
    void this.#last.then(() => {
      for (const promptId of owed.prompts) this.#owed.delete(promptId);
    });
  }

  /** Resolves when the changes of the prompt's turn have been told, or are not told yet for want of a disk. */
  async settled(promptId: PromptId): Promise<void> {
    await this.#owed.get(promptId);
  }

  /** Must be called after every step. */
  update(): void {
    const { core, snapshots } = this.#options;
    const isOver = core.record.closed !== undefined && !core.record.owedDiffs;
    if (isOver && !this.#isForgotten) snapshots.forget(core.sessionId);
    this.#isForgotten = isOver;
  }

  /** What is owed is told by the next daemon. */
  close(): void {
    this.#isClosed = true;
  }

  get #place(): SnapshotPlace {
    const { sessionId, directory, directoryKey: key } = this.#options.core.record;
    return { sessionId, directory, key };
  }

  async #tell({ owed, prompts, diff }: Compared): Promise<void> {
    const { core, snapshots } = this.#options;
    if (this.#isClosed) return;
    const changes = seqsOf(owed, diff.onlyReported);
    const hunks = await this.#hunksOf(changes, MAX_SHOWN_UNITS - (diff.patch?.length ?? MAX_SHOWN_UNITS));
    const isSmall = diff.patch !== undefined && hunks !== undefined;
    const blob = isSmall || diff.files.length === 0 ? undefined : await this.#keep(diff, prompts);
    const told: ToldDiff = {
      owed,
      prompts,
      files: diff.files,
      truncated: diff.truncated || owed.isCut === true,
      partial: diff.partial,
      changes: isSmall ? [] : changes,
      ...(isSmall && { patch: `${diff.patch}${hunks}` }),
      ...(blob && { blob }),
    };
    try {
      await core.takeAfterLook(
        async () => told,
        (state, what, now) => tellDiff(state, what, now),
      );
    } catch (error) {
      if (blob) await core.journal.blobs.remove([blob.id]);
      throw error;
    }
    snapshots.told(core.sessionId, owed);
  }

  /** What the tools have reported, when nothing can be compared. */
  async #compared(owed: OwedDiff, prompts: readonly PromptRecord[]): Promise<TreeDiff> {
    const { core, snapshots, steps } = this.#options;
    const { files: reported, since, until } = owed;
    try {
      const sums = Object.fromEntries(Object.entries(reported).map(([path, [a, d]]) => [path, [a, d] as const]));
      return await snapshots.compare(this.#place, {
        reported: sums,
        since,
        until,
        about: aboutDiff(core.state, prompts),
      });
    } catch (error) {
      if (!this.#isClosed) steps.tellFailed('compare its directory', error);
      const paths = Object.keys(reported).sort();
      const files = Object.entries(reported).map(([path, [additions, deletions]]) => ({ path, additions, deletions }));
      return { files, truncated: false, partial: true, onlyReported: paths, patch: '' };
    }
  }

  async #keep(diff: TreeDiff, prompts: readonly PromptRecord[]): Promise<NonNullable<ToldDiff['blob']>> {
    const { core } = this.#options;
    const { files, patch = '' } = diff;
    const { json, patchAt } = diff.whole ?? wholeDiff({ ...aboutDiff(core.state, prompts), files }, patch);
    return { ...(await core.journal.blobs.write([json])), patchAt };
  }

  /** The patches of these tool results; undefined when they are longer than this, in UTF-16 units. */
  async #hunksOf(seqs: readonly number[], maxUnits: number): Promise<string | undefined> {
    const { journal, sessionId } = this.#options.core;
    let text = '';
    for (const seq of seqs) {
      if (text.length > maxUnits || (journal.sizeOfEvent(sessionId, seq) ?? 0) > 4 * MAX_SHOWN_UNITS) return undefined;
      await turnOfOthers();
      const event = journal.findEvent(sessionId, seq);
      if (!event || event.blob) return undefined;
      const { change } = JSON.parse(event.data) as EventData<'toolResult'>;
      text += change ? patchText(change) : '';
    }
    return text.length > maxUnits ? undefined : text;
  }

  #failed(owed: OwedDiff, error: unknown): void {
    const { steps } = this.#options;
    const isPurged = error instanceof CompanionError && error.code === 'SESSION_NOT_FOUND';
    if (isPurged || this.#isClosed) return;
    steps.tryAgain('tell the changes of a turn', { error, action: () => this.compare(owed) });
  }
}

const seqsOf = ({ files }: OwedDiff, paths: readonly string[]): number[] =>
  paths.flatMap((path) => files[path]?.slice(2) ?? []).sort((a, b) => a - b);
