import type { ChildExit, ClaudeLauncher, CutBlock, TranscriptEntry, TranscriptLocation } from '../ports/claude.js';
import type { Journal, KnownContent } from '../ports/journal.js';
import type { Log } from '../ports/log.js';
import type { SessionRecord, TranscriptMark } from '../ports/records.js';
import type { Carried } from './known-entries.js';
import { Mailbox } from './mailbox.js';
import { canReconcile, findMissing, onAgreed, onMissingFound, onOwed } from './reconcile.js';
import type { SessionState } from './session-state.js';
import type { Step } from './step-builder.js';

export interface ReconcilerOptions {
  launcher: Pick<ClaudeLauncher, 'findTranscript' | 'readTranscript'>;
  journal: Pick<Journal, 'epoch' | 'firstSeq' | 'findKnownContent'>;
  log: Log;
  state: () => SessionState;
  /** Runs a step of the session; no other runs between the read and the write. Rejects when it cannot be written. */
  stepAfterLook: StepAfterLook;
}

/** Undefined: no change. */
export type DecideAfterLook<Seen> = (state: SessionState, seen: Seen, now: number) => Step | undefined;

type StepAfterLook = <Seen>(look: () => Promise<Seen>, decide: DecideAfterLook<Seen>) => Promise<void>;

type Place = TranscriptLocation & { claudeSessionId: string };

/** Where to read from, and whether the journal agreed with everything before that. */
interface Start {
  from: number;
  anchored: boolean;
}

/**
 * Adds to the journal what the CLI's transcript has and the journal lacks: after a child's output was lost, after the
 * journal lost its end, and after the conversation was continued elsewhere. If nothing has changed since both agreed,
 * the cost is one `stat`.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #mailbox = new Mailbox();
  #endedQuietly = false;
  #closed = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** A child has ended; must be called before any other reaction to that. */
  childEnded(exit: ChildExit, cut: readonly CutBlock[]): void {
    this.#endedQuietly = endsQuietly(this.#options.state(), exit, cut);
  }

  /**
   * Must be called while no child runs: after one has ended, and before another is started. The next call retries a
   * failure: this never rejects, and takes no longer than reading the transcript can (30 s a page). Resolves to false
   * when the session was released and nothing more must be done.
   */
  reconcile(): Promise<boolean> {
    return this.#mailbox.run(async () => {
      if (this.#closed) return false;
      if (this.#record.closed?.isPurged) return true;
      await this.#reconcile().catch((error: Error) => this.#fail(error));
      return !this.#closed;
    });
  }

  /** For a session without a child: reads what was said while no daemon ran, and what the journal lost. */
  async recover({ hadChild }: { hadChild: boolean }): Promise<void> {
    const { transcript } = this.#record;
    const isOtherJournal = transcript !== undefined && transcript.epoch !== this.#options.journal.epoch;
    if (hadChild || isOtherJournal) await this.reconcile();
  }

  close(): void {
    this.#closed = true;
  }

  get #record(): SessionRecord {
    return this.#options.state().record;
  }

  async #reconcile(): Promise<void> {
    const { launcher, journal } = this.#options;
    const { claudeSessionId, transcript: mark, joining } = this.#record;
    const isNews = !this.#endedQuietly;
    this.#endedQuietly = false;
    if (claudeSessionId === undefined) {
      if (!mark) await this.#agree({ claudeSessionId: '', path: '', size: 0, mtimeMs: 0, epoch: journal.epoch });
      return;
    }
    const place = await launcher.findTranscript({ claudeSessionId, ...(mark && { path: mark.path }) });
    if (!place) return;
    const next = { ...place, claudeSessionId, epoch: journal.epoch };
    if (mark && isAgreed(mark, next)) return;
    const isTrusted = !mark || (mark.epoch === journal.epoch && !mark.owed);
    if (!joining && (isNews || !isTrusted)) await this.#read(next);
    await this.#agree(next);
  }

  /** Adds the missing entries. */
  async #read(place: Place): Promise<void> {
    const { launcher, log, stepAfterLook } = this.#options;
    const { claudeSessionId, path } = place;
    const { from, ...start } = await this.#startOf(place);
    let { anchored } = start;
    let carried: Carried | undefined;
    let added = 0;
    for await (const entries of launcher.readTranscript({ claudeSessionId, path, from })) {
      await stepAfterLook(
        () => this.#findKnownContent(entries, anchored),
        (state, said, now) => {
          if (!canReconcile(state, claudeSessionId)) throw new Error('the session has moved on');
          const found = findMissing({ entries, said, anchored, carried });
          ({ anchored, carried } = found);
          added += found.missing.length;
          return found.missing.length === 0 ? undefined : onMissingFound(state, found.missing, now);
        },
      );
    }
    log.info('transcript read', { sessionId: this.#record.sessionId, from, added });
  }

  /** A mark is usable only if neither retention nor a loss of the journal has removed events after it. */
  async #startOf({ claudeSessionId, path, size }: Place): Promise<Start> {
    const { journal } = this.#options;
    const { transcript: mark, sessionId } = this.#record;
    const isOfThis = mark?.claudeSessionId === claudeSessionId && mark.path === path && mark.size <= size;
    if (!isOfThis || mark.epoch !== journal.epoch) return { from: 0, anchored: false };
    return { from: mark.size, anchored: (await journal.firstSeq(sessionId)) <= mark.seq + 1 };
  }

  #findKnownContent(entries: readonly TranscriptEntry[], anchored: boolean): Promise<KnownContent> {
    const { sessionId, transcript } = this.#record;
    const messageIds = entries.flatMap((entry) =>
      entry.kind === 'toolResult' ? [] : entry.kind === 'human' ? entry.uuid : entry.messageId,
    );
    const toolIds = entries.flatMap(toolIdsOf);
    const toolsAfter = anchored ? (transcript?.seq ?? 0) : 0;
    return this.#options.journal.findKnownContent({
      sessionId,
      messageIds: [...new Set(messageIds)],
      toolIds,
      toolsAfter,
    });
  }

  #agree(mark: Omit<TranscriptMark, 'seq'>): Promise<void> {
    return this.#options.stepAfterLook(
      async () => {},
      (state, _, now) => onAgreed(state, mark, now),
    );
  }

  async #fail(error: Error): Promise<void> {
    const { log, journal, stepAfterLook } = this.#options;
    if (this.#closed) return;
    const { sessionId, transcript } = this.#record;
    log.warn('could not reconcile with the transcript', { sessionId, error: error.message });
    if (transcript?.owed) return;
    const nothing = async () => {};
    await stepAfterLook(nothing, (state, _, now) => onOwed(state, journal.epoch, now)).catch((failure: Error) => {
      log.warn('could not record that the transcript is owed', { sessionId, error: failure.message });
    });
  }
}

const toolIdsOf = (entry: TranscriptEntry): string[] => {
  if (entry.kind === 'toolResult') return [entry.toolId];
  return entry.kind === 'block' && 'id' in entry.content ? [entry.content.id] : [];
};

const isAgreed = (mark: TranscriptMark, now: Place & { epoch: string }): boolean =>
  !mark.owed &&
  mark.claudeSessionId === now.claudeSessionId &&
  mark.epoch === now.epoch &&
  mark.path === now.path &&
  mark.size === now.size &&
  mark.mtimeMs === now.mtimeMs;

/** Whether everything a child wrote to its transcript was also in its output, and has been read. */
function endsQuietly({ turn, child, record }: SessionState, exit: ChildExit, cut: readonly CutBlock[]): boolean {
  const wasLost = exit.outputLost || record.child?.outputLost || cut.length > 0;
  return !wasLost && turn === null && (child.phase === 'ending' || exit.code === 0);
}
