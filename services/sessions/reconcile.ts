/** What a transcript holds and the journal does not: as functions of both. */
import type { TranscriptEntry } from '../ports/claude.js';
import type { KnownContent } from '../ports/journal.js';
import type { TranscriptMark } from '../ports/records.js';
import { blockEvent, toolResultEvent, toolUseEvent } from './decide-blocks.js';
import { type Carried, Known, type Missing } from './known-entries.js';
import type { SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';

export interface Comparison {
  /** In the order of the conversation. */
  entries: readonly TranscriptEntry[];
  said: KnownContent;
  /** All of the entries lie behind a place at which both agreed. Else what precedes the first that was said is left out. */
  anchored: boolean;
  /** From the page before these. */
  carried?: Carried | undefined;
}

interface Compared {
  /** In order. */
  missing: Missing[];
  /** Whether entries that follow these have something known before them. */
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

/** Only while nothing is said by a child: what it says is in the journal a moment later. */
export const canReconcile = ({ turn, child, record }: SessionState, claudeSessionId: string): boolean =>
  record.claudeSessionId === claudeSessionId &&
  turn === null &&
  (child.phase === 'none' || child.phase === 'starting' || child.phase === 'checking');

/** Adds what was missing, as it happened then. */
export function onMissingFound(state: SessionState, missing: readonly Missing[], now: number): Step {
  const builder = new StepBuilder(state, now);
  for (const one of missing) {
    builder.happenedAt(one.entry.at);
    say(builder, one);
  }
  builder.happenedAt(undefined);
  return builder.finish();
}

/** Who a message is from that was typed elsewhere. */
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

/** A child that ends quietly later must not hide that something before it was not read. */
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
