import type { ChildExit, ClaudeLauncher, CutBlock } from '../../ports/claude.js';
import type { KnownContent } from '../../ports/journal.js';
import type { SessionRecord, TranscriptMark } from '../../ports/records.js';
import type { TranscriptEntry, TranscriptLocation } from '../../ports/transcripts.js';
import { blockEvent, toolResultEvent, toolUseEvent } from '../machine/decide-blocks.js';
import type { SessionState } from '../machine/session-state.js';
import { type Step, StepBuilder } from '../machine/step-builder.js';
import { Mailbox, type SessionCore } from '../session-core.js';
import { type Carried, Known, type Missing } from './known-entries.js';

export interface ReconcilerOptions {
  launcher: Pick<ClaudeLauncher, 'findTranscript' | 'readTranscript'>;
  core: SessionCore;
}

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
    this.#endedQuietly = endsQuietly(this.#options.core.state, exit, cut);
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

  /** For a session without a child: reads the messages from the time without a daemon, and those that the journal lost. */
  async recover({ hadChild }: { hadChild: boolean }): Promise<void> {
    const { transcript } = this.#record;
    const isOtherJournal = transcript !== undefined && transcript.epoch !== this.#options.core.journal.epoch;
    if (hadChild || isOtherJournal) await this.reconcile();
  }

  close(): void {
    this.#closed = true;
  }

  get #record(): SessionRecord {
    return this.#options.core.record;
  }

  async #reconcile(): Promise<void> {
    const { launcher, core } = this.#options;
    const { journal } = core;
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
    const { launcher, core } = this.#options;
    const { claudeSessionId, path } = place;
    const { from, ...start } = this.#startOf(place);
    let { anchored } = start;
    let carried: Carried | undefined;
    let added = 0;
    for await (const entries of launcher.readTranscript({ claudeSessionId, path, from })) {
      await core.takeAfterLook(
        () => this.#findKnownContent(entries, anchored),
        (state, said, now) => {
          if (!canReconcile(state, claudeSessionId)) throw new Error('the conversation of the session has changed');
          const found = findMissing({ entries, said, anchored, carried });
          ({ anchored, carried } = found);
          added += found.missing.length;
          return found.missing.length === 0 ? undefined : onMissingFound(state, found.missing, now);
        },
      );
    }
    core.log.info('the transcript was read', { sessionId: this.#record.sessionId, from, added });
  }

  /** A mark is usable only if neither retention nor a loss of the journal has removed events after it. */
  #startOf({ claudeSessionId, path, size }: Place): Start {
    const { journal } = this.#options.core;
    const { transcript: mark, sessionId } = this.#record;
    const isOfThis = mark?.claudeSessionId === claudeSessionId && mark.path === path && mark.size <= size;
    if (!isOfThis) return { from: 0, anchored: false };
    if (mark.epoch !== journal.epoch) {
      const { joined = { size: 0, seq: -1 } } = mark;
      return { from: joined.size, anchored: journal.firstSeq(sessionId) <= joined.seq + 1 };
    }
    return { from: mark.size, anchored: journal.firstSeq(sessionId) <= mark.seq + 1 };
  }

  #findKnownContent(entries: readonly TranscriptEntry[], anchored: boolean): Promise<KnownContent> {
    const { sessionId, transcript } = this.#record;
    const messageIds = entries.flatMap((entry) =>
      entry.kind === 'toolResult' ? [] : entry.kind === 'human' ? entry.uuid : entry.messageId,
    );
    const toolIds = entries.flatMap(toolIdsOf);
    const toolsAfter = anchored ? (transcript?.seq ?? 0) : 0;
    return this.#options.core.journal.findKnownContent({
      sessionId,
      messageIds: [...new Set(messageIds)],
      toolIds,
      toolsAfter,
    });
  }

  #agree(mark: Omit<TranscriptMark, 'seq'>): Promise<void> {
    return this.#options.core.takeAfterLook(
      async () => {},
      (state, _, now) => onAgreed(state, mark, now),
    );
  }

  async #fail(error: Error): Promise<void> {
    const { core } = this.#options;
    const { log, journal } = core;
    if (this.#closed) return;
    const { sessionId, transcript } = this.#record;
    log.warn('the session cannot be reconciled with the transcript', { sessionId, error: error.message });
    if (transcript?.owed) return;
    const nothing = async () => {};
    await core
      .takeAfterLook(nothing, (state, _, now) => onOwed(state, journal.epoch, now))
      .catch((failure: Error) => {
        log.warn('a pending reconciliation cannot be recorded', { sessionId, error: failure.message });
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

// Pure functions that find what a transcript contains and the journal lacks.

export interface Comparison {
  /** In conversation order. */
  entries: readonly TranscriptEntry[];
  said: KnownContent;
  /** All entries follow a position at which both agreed. Otherwise entries before the first known one are left out. */
  anchored: boolean;
  /** From the previous page. */
  carried?: Carried | undefined;
}

interface Compared {
  /** In order. */
  missing: Missing[];
  /** Whether entries after these follow a known one. */
  anchored: boolean;
  carried: Carried;
}

export function findMissing({ entries, said, anchored, carried }: Comparison): Compared {
  const known = new Known(said, carried);
  const from = anchored ? 0 : entries.findIndex((entry) => known.has(entry));
  if (from === -1) return { missing: [], anchored: false, carried: known.carried };
  const missing = entries.slice(from).flatMap((entry) => known.take(entry) ?? []);
  return { missing, anchored: true, carried: known.carried };
}

/** Only while no child is writing: its output reaches the journal a moment later. */
export const canReconcile = ({ turn, child, record }: SessionState, claudeSessionId: string): boolean =>
  record.claudeSessionId === claudeSessionId &&
  turn === null &&
  (child.phase === 'none' || child.phase === 'starting' || child.phase === 'checking');

/** Adds missing items with their original times. */
export function onMissingFound(state: SessionState, missing: readonly Missing[], now: number): Step {
  const builder = new StepBuilder(state, now);
  for (const one of missing) {
    builder.happenedAt(one.entry.at);
    say(builder, one);
  }
  builder.happenedAt(undefined);
  return builder.finish();
}

/** The sender of a message typed elsewhere. */
const TERMINAL = 'terminal';

function say(builder: StepBuilder, missing: Missing): void {
  switch (missing.kind) {
    case 'human': {
      const { uuid, content } = missing.entry;
      builder.event(
        'humanMessage',
        { messageId: uuid, content, deviceId: TERMINAL, promptId: uuid },
        { messageId: uuid },
      );
      countMessage(builder, uuid);
      return;
    }
    case 'block':
      sayBlock(builder, missing);
      return;
    case 'toolResult':
      toolResultEvent(builder, missing.entry);
  }
}

type MissingBlock = Extract<Missing, { kind: 'block' }>;

function sayBlock(builder: StepBuilder, { entry, blockIndex, isNewMessage, isNewToolUse }: MissingBlock): void {
  const { messageId, parentToolUseId, content } = entry;
  if (isNewMessage && parentToolUseId === undefined) countMessage(builder, messageId);
  const place = { messageId, blockIndex, ...(parentToolUseId !== undefined && { parentToolUseId }) };
  blockEvent(builder, { place, content, details: entry, partial: false });
  if (isNewToolUse && 'input' in content && 'id' in content) toolUseEvent(builder, place, content);
}

const countMessage = (builder: StepBuilder, lastMessageId: string): void =>
  builder.updateRecord({ lastMessageId, messageCount: builder.state.record.messageCount + 1 });

/** Recorded, so that a child's later clean exit does not hide that earlier content was not read. */
function onOwed(state: SessionState, epoch: string, now: number): Step {
  const builder = new StepBuilder(state, now);
  const { transcript, claudeSessionId = '' } = state.record;
  const nothing = { claudeSessionId, path: '', size: 0, mtimeMs: 0, epoch, seq: 0 };
  builder.updateRecord({ transcript: { ...(transcript ?? nothing), owed: true } });
  return builder.finish();
}

/** The record agrees with the transcript up to here. The mark's `seq` is that of the last event. */
function onAgreed(state: SessionState, mark: Omit<TranscriptMark, 'seq'>, now: number): Step {
  const builder = new StepBuilder(state, now);
  const { joining, transcript: before } = state.record;
  const isSame = before?.claudeSessionId === mark.claudeSessionId && before.path === mark.path;
  const joined = joining ? { size: mark.size, seq: state.head } : isSame ? before.joined : undefined;
  builder.clearRecord('joining');
  builder.updateRecord({ transcript: { ...mark, seq: state.head, ...(joined && { joined }) } });
  return builder.finish();
}
