/** Pure functions that find what a transcript contains and the journal lacks. */
import type { TranscriptEntry } from '../ports/claude.js';
import type { KnownContent } from '../ports/journal.js';
import type { TranscriptMark } from '../ports/records.js';
import { blockEvent, toolResultEvent, toolUseEvent } from './decide-blocks.js';
import { type Carried, Known, type Missing } from './known-entries.js';
import type { SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';

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
      builder.event('humanMessage', { messageId: uuid, content, deviceId: TERMINAL, promptId: uuid }, uuid);
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
export function onOwed(state: SessionState, epoch: string, now: number): Step {
  const builder = new StepBuilder(state, now);
  const { transcript, claudeSessionId = '' } = state.record;
  const nothing = { claudeSessionId, path: '', size: 0, mtimeMs: 0, epoch, seq: 0 };
  builder.updateRecord({ transcript: { ...(transcript ?? nothing), owed: true } });
  return builder.finish();
}

/** The record agrees with the transcript up to here. The mark's `seq` is that of the last event. */
export function onAgreed(state: SessionState, mark: Omit<TranscriptMark, 'seq'>, now: number): Step {
  const builder = new StepBuilder(state, now);
  builder.clearRecord('joining');
  builder.updateRecord({ transcript: { ...mark, seq: state.head } });
  return builder.finish();
}
