/** The name, the tag and the archive mark of a session, and those of its conversation in the CLI. */
import { plainLine } from '../../../protocol/plain-text.js';
import type { SessionRecord } from '../../ports/records.js';
import type { LabelsReading, WrittenLabels } from '../../ports/transcripts.js';
import type { SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';

const MAX_TITLE = 200;

/** The name as the CLI gets it; empty for a name that shows nothing. */
const titleOf = (name: string): string => plainLine(name, MAX_TITLE);

/** A person has named the session: a running child is told, else the next one. */
export function nameConversation(builder: StepBuilder): void {
  if (titleOf(builder.state.record.name ?? '') === '') return;
  builder.updateRecord({ nameUntold: true });
  if (builder.state.child.phase === 'live') tellName(builder);
}

/** A child has started. In a conversation that it resumes, a name that was given in a terminal stays. */
export function tellStartedChild(builder: StepBuilder, { isResumed }: { isResumed: boolean }): void {
  if (builder.state.record.nameUntold || !isResumed) tellName(builder);
}

/** The daemon has died before the child had the name. */
export function tellAdoptedChild(builder: StepBuilder): void {
  if (builder.state.record.nameUntold) tellName(builder);
}

function tellName(builder: StepBuilder): void {
  const title = titleOf(builder.state.record.name ?? '');
  if (title !== '') builder.effect({ kind: 'renameConversation', title });
}

/** The child has taken the name. */
export function onNameTold(state: SessionState, title: string, now: number): Step {
  const builder = new StepBuilder(state, now);
  const { name = '', nameUntold } = state.record;
  if (nameUntold && titleOf(name) === title) builder.clearRecord('nameUntold');
  return builder.finish();
}

/** The CLI has reported the name of its conversation: what was given there last holds here too. */
export function onTitled(builder: StepBuilder, { title }: { title: string }): void {
  const { name = '', nameUntold } = builder.state.record;
  if (!nameUntold && titleOf(name) !== titleOf(title)) builder.updateRecord({ name: title, updatedAt: builder.now });
}

/** A person has changed the tag or the archive mark on a device, and the conversation gets them. */
export function labelConversation(builder: StepBuilder, before: SessionRecord): void {
  const { tag, archived } = builder.state.record;
  const isTag = (tag ?? '') !== (before.tag ?? '');
  const isArchived = (archived?.is ?? false) !== (before.archived?.is ?? false);
  if (isTag) builder.updateRecord({ tagUntold: true });
  if (isArchived) builder.updateRecord({ archivedUntold: true });
  if (isTag || isArchived) builder.effect({ kind: 'writeLabels' });
}

/** A new conversation has no tag yet; its first turn is not over, so neither has it a transcript. */
export function keepTag(builder: StepBuilder): void {
  if (builder.state.record.tag) builder.updateRecord({ tagUntold: true });
}

/** There is a transcript now. */
export function tellLabels(builder: StepBuilder): void {
  if (hasUntold(builder.state.record)) builder.effect({ kind: 'writeLabels' });
}

export const hasUntold = ({ tagUntold, archivedUntold }: SessionRecord): boolean =>
  tagUntold === true || archivedUntold === true;

/** A person's prompt ends the archive. The CLI does the same when it gets the prompt, which can be dropped before. */
export function unarchive(builder: StepBuilder): void {
  if (!builder.state.record.archived?.is) return;
  builder.updateRecord({ archived: { is: false, at: builder.now }, archivedUntold: true });
}

/** The conversation has these labels in its files, unless the record has others since. */
export function onLabelsWritten(state: SessionState, { tag, archived }: WrittenLabels, now: number): Step {
  const builder = new StepBuilder(state, now);
  const { record } = state;
  if (tag !== undefined && tag === (record.tag ?? '')) builder.clearRecord('tagUntold');
  if (archived !== undefined && archived === (record.archived?.is ?? false)) builder.clearRecord('archivedUntold');
  return builder.finish();
}

/**
 * What was given at a desk is taken over; undefined when there is nothing new. A running child reports its name by
 * itself, and writes it to the transcript a moment later.
 */
export function onLabelsRead(state: SessionState, { read, ofId }: FoundLabels, now: number): Step | undefined {
  const { record } = state;
  if (record.claudeSessionId !== ofId) return undefined;
  const { nameUntold, tagUntold, name = '', tag = '' } = record;
  const isTitle = read.title !== undefined && takesTitle(state) && !nameUntold && titleOf(name) !== read.title;
  const isTag = read.tag !== undefined && !tagUntold && read.tag !== tag;
  const isLost = read.tag === undefined && !tagUntold && tag !== '';
  const archived = laterMark(record, read);
  if (!isTitle && !isTag && !isLost && !archived) return undefined;
  const builder = new StepBuilder(state, now);
  builder.updateRecord({
    updatedAt: now,
    ...(isTitle && { name: read.title }),
    ...(isTag && { tag: read.tag }),
    ...(archived && { archived }),
  });
  if (isLost) keepTag(builder);
  tellLabels(builder);
  return builder.finish();
}

/** Of the archive mark that the conversation does not have yet and the one that it has, the later holds. */
export function onMarkRead(state: SessionState, { read, ofId }: FoundLabels, now: number): Step | undefined {
  const { archived: known, archivedUntold, claudeSessionId } = state.record;
  const { archived } = read;
  if (!archivedUntold || claudeSessionId !== ofId || !archived || archived.at <= (known?.at ?? 0)) return undefined;
  const builder = new StepBuilder(state, now);
  builder.clearRecord('archivedUntold');
  builder.updateRecord({ updatedAt: now, archived });
  return builder.finish();
}

export interface FoundLabels {
  read: LabelsReading;
  /** The conversation. */
  ofId: string;
}

export const takesTitle = ({ child }: SessionState): boolean =>
  child.phase === 'none' || child.phase === 'starting' || child.phase === 'checking';

function laterMark(record: SessionRecord, { archived }: LabelsReading): SessionRecord['archived'] {
  const { archived: known, archivedUntold } = record;
  if (!archived || archivedUntold || archived.at <= (known?.at ?? 0)) return undefined;
  return archived.is === (known?.is ?? false) ? undefined : archived;
}
