/** What becomes of a session when its child comes or goes. */
import type { ChildExit, CutBlock } from '../ports/claude.js';
import type { PermissionRecord, PromptRecord } from '../ports/records.js';
import { onBlockCut } from './decide-blocks.js';
import { tellTakenBack } from './decide-remembered.js';
import { endChild, giveAgain, recentFailures, settle, startChild } from './dispatch.js';
import { resolvePermission } from './permission-requests.js';
import {
  givenPrompts,
  isBusy,
  type QueuePosition,
  queuedPrompts,
  type SessionState,
  unplaced,
} from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';
import { beginAnswer, completeTurn, OUTPUT_LOST } from './turns.js';

/** After so many deaths of late before the end of a turn, no more children are started by themselves. */
const MAX_FAILURES = 5;

export interface StartedChild {
  childId: string;
  /** What it was started with: the record may have changed since. */
  permissionMode?: string | undefined;
  model?: string | undefined;
  /** The conversation that it was to go on with has no transcript. */
  withoutTranscript?: boolean;
}

/** A child runs: it gets the next prompt at once, before it says that it is ready. */
export function onChildStarted(state: SessionState, started: StartedChild, now: number): Step {
  const { childId, withoutTranscript = false } = started;
  const builder = new StepBuilder(unplaced(state), now);
  builder.updateRecord({ child: { childId, startedAt: now, processed: 0, resume: 0, costBase: 0 } });
  builder.update({ child: { phase: 'live', ready: false, input: 'open' } });
  tellTakenBack(builder);
  tellSettings(builder, started);
  if (withoutTranscript) sayForgotten(builder);
  settle(builder);
  return builder.finish();
}

/** Mode and model that were chosen while it was being started. */
function tellSettings(builder: StepBuilder, startedIn: StartedChild): void {
  const { permissionMode: mode, modelChoice: model } = builder.state.record;
  const changed = {
    ...(mode !== undefined && mode !== startedIn.permissionMode && { mode }),
    ...(model !== undefined && model !== startedIn.model && { model }),
  };
  if (Object.keys(changed).length > 0) builder.effect({ kind: 'adjustChild', askRules: [], ...changed });
}

/** What was said before stays in the session; Claude does not know of it. */
function sayForgotten(builder: StepBuilder): void {
  const { sessionId, claudeSessionId } = builder.state.record;
  const message =
    `The Claude CLI has no transcript of the conversation ${claudeSessionId ?? ''}, so it cannot go on with it: ` +
    'a new conversation begins, in which Claude does not know what was said before.';
  builder.event('error', { sessionId, code: 'NOT_FOUND', message });
}

/** The child of an earlier daemon is ours again; what it was given, it has. */
export function onChildAdopted(state: SessionState, { inputTorn }: { inputTorn: boolean }, now: number): Step {
  const builder = new StepBuilder(state, now);
  builder.update({ child: { phase: 'live', ready: true, input: inputTorn ? 'unsure' : 'open' } });
  if (!inputTorn) {
    tellTakenBack(builder);
    giveAgain(builder, givenPrompts(builder.state));
  }
  const { child } = state.record;
  if (child?.ending) endChild(builder, { restart: child.ending === 'restart' });
  settle(builder);
  return builder.finish();
}

/** All that a child with a torn input wrote has been read: now it is known whether a turn of it runs. */
export function onTornChildRead(state: SessionState, answering: boolean, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (answering) beginAnswer(builder);
  if (state.child.phase === 'live') builder.update({ child: { ...state.child, input: 'torn' } });
  settle(builder);
  return builder.finish();
}

export function onStartFailed(state: SessionState, message: string, now: number): Step {
  const builder = new StepBuilder(unplaced(state), now);
  dropTakenBack(builder);
  builder.update({ child: { phase: 'none' } });
  giveUp(builder, message);
  return builder.finish();
}

export interface Exited {
  exit: ChildExit;
  cut: CutBlock[];
  /** By which the conversation goes on, where the child is lost with a question still open. */
  resumption: PromptRecord;
}

/** There is no child on record. Where the daemon died while it was looked up what the last one had begun, it is looked up again. */
export function onNoChild(state: SessionState, now: number): Step {
  const builder = new StepBuilder(state, now);
  dropTakenBack(builder);
  builder.update({ child: { phase: 'none' } });
  checkGiven(builder);
  return goOn(builder);
}

/** There is no child that was granted it. */
function dropTakenBack(builder: StepBuilder): void {
  if (builder.state.record.takenBack) builder.clearRecord('takenBack');
}

/** Whether something was given to a child that is gone, and has to be looked up. */
function checkGiven(builder: StepBuilder): boolean {
  const unsure = givenPrompts(builder.state);
  if (unsure.length === 0) return false;
  builder.update({ child: { phase: 'checking' } });
  builder.effect({ kind: 'checkTranscript', uuids: unsure.map(({ uuid }) => uuid) });
  return true;
}

/** The child is gone. What it had begun ends here; what it may not have got is looked up in its transcript. */
export function onChildExited(state: SessionState, { exit, cut, resumption }: Exited, now: number): Step {
  const builder = new StepBuilder(state, now);
  const ending = endingOf(state);
  if (exit.outputLost && state.turn) builder.update({ turn: { ...state.turn, outputLost: true } });
  for (const block of cut) onBlockCut(builder, block);
  for (const permission of state.permissions) expire(builder, permission);
  builder.clearRecord('child', 'takenBack');
  builder.update({ child: { phase: 'none' }, background: [], tools: new Map() });
  endTurn(builder, cut);
  if (!ending && !isQuiet(state, exit)) sayCrash(builder, exit);
  else if (state.record.child?.cutOff) countLoss(builder);
  if (ending?.restart !== false && wasCutOff(state)) resume(builder, resumption);
  const isUnsure = checkGiven(builder);
  if (!isUnsure && ending?.restart && !builder.state.record.closed && !builder.state.record.failed) startChild(builder);
  return goOn(builder);
}

/** Prompts that the dead child's transcript holds had begun; the others are given to the next child, if there is to be one, under the same uuid. */
export function onTranscriptChecked(state: SessionState, found: ReadonlySet<string>, now: number): Step {
  const builder = new StepBuilder(state, now);
  builder.update({ child: { phase: 'none' } });
  for (const prompt of givenPrompts(state)) {
    if (found.has(prompt.uuid) || state.record.failed) completeTurn(builder, [prompt], EXITED);
    else if (state.record.closed) completeTurn(builder, [prompt], { ...EXITED, subtype: 'interrupted' });
    else builder.putPrompt({ ...prompt, state: 'queued', mode: prompt.mode === 'resume' ? 'resume' : 'queue' });
  }
  return goOn(builder);
}

/** That it is being ended is on record, for its end may be seen by the next daemon alone. */
function endingOf({ child, record }: SessionState): { restart: boolean } | undefined {
  if (child.phase === 'ending') return child;
  return record.child?.ending && { restart: record.child.ending === 'restart' };
}

/** An idle CLI ends by itself, with code 0, when nobody has asked anything of it for long; or it was ended as an orphan. */
const isQuiet = (state: SessionState, { code, orphaned = false }: ChildExit): boolean =>
  orphaned || (code === 0 && !isBusy(state));

/** A turn that could only go on with a person's word, and can no more: nobody has stopped it. */
const wasCutOff = ({ permissions, record, turn }: SessionState): boolean =>
  !record.closed &&
  !record.failed &&
  !turn?.interrupted &&
  (record.child?.cutOff === true || permissions.some(({ decision }) => decision === undefined));

/** Claude is told to go on; nothing is repeated, and what needs a person's word is asked for again. */
function resume(builder: StepBuilder, resumption: PromptRecord): void {
  if (!builder.state.record.failed) builder.putPrompt(resumption);
}

const EXITED = { subtype: 'child_exited', isError: true, finalResult: '', durationMs: 0, numTurns: 0 };

function expire(builder: StepBuilder, permission: PermissionRecord): void {
  if (permission.decision === undefined) resolvePermission(builder, permission, { decision: 'expired' });
  else {
    const { answer: _, ...read } = permission;
    builder.putPermission(read);
  }
}

/**
 * The turn ends for the prompts that began it. Where an answer was seen and none was acknowledged, the oldest began it:
 * the transcript may not hold it yet, and it must not be run again. Where the disk was full the acknowledgement may have
 * been lost, and the transcript with it. What was interrupted or closed is not wanted any more, begun or not.
 */
function endTurn(builder: StepBuilder, cut: CutBlock[]): void {
  const { turn, record } = builder.state;
  if (!turn) return;
  const stopped = turn.interrupted || record.closed !== undefined;
  const subtype = turn.outputLost ? OUTPUT_LOST : stopped ? 'interrupted' : EXITED.subtype;
  const answered = turn.answering || cut.some(({ block }) => block.parentToolUseId === undefined);
  const given = givenPrompts(builder.state);
  const began = subtype === EXITED.subtype ? begunOf(given, answered) : given;
  const unsure = given.length > began.length;
  const durationMs = Math.round(builder.state.ticks - turn.startedAt);
  if (began.length > 0 || !unsure) completeTurn(builder, began, { ...EXITED, subtype, durationMs });
  builder.update({ turn: null });
}

function begunOf(given: PromptRecord[], answered: boolean): PromptRecord[] {
  const acknowledged = given.filter(({ state }) => state === 'processing');
  return acknowledged.length === 0 && answered ? given.slice(0, 1) : acknowledged;
}

function sayCrash(builder: StepBuilder, { code, signal, lastWords }: ChildExit): void {
  const how = signal ?? (code === null ? 'for an unknown reason' : `with code ${code}`);
  const message = `The Claude CLI ended ${how}.${lastWords && ` Its last words: ${lastWords}`}`;
  builder.event('error', { sessionId: builder.state.record.sessionId, code: 'CLAUDE_UNAVAILABLE', message });
  if (countFailure(builder) >= MAX_FAILURES) giveUp(builder, message);
}

/** Each child that is started may lose it again, and asks the API anew. */
function countLoss(builder: StepBuilder): void {
  if (countFailure(builder) >= MAX_FAILURES) giveUp(builder, 'each of the last ones could not ask for permission.');
}

/** Returns how many there were of late. */
function countFailure(builder: StepBuilder): number {
  const failures = [...recentFailures(builder.state), builder.state.ticks];
  builder.update({ failures });
  return failures.length;
}

/** Nothing is started by itself any more; the next prompt or `streamStart` tries again. */
function giveUp(builder: StepBuilder, reason: string): void {
  builder.updateRecord({ failed: { reason } });
  builder.event('error', {
    sessionId: builder.state.record.sessionId,
    code: 'CLAUDE_UNAVAILABLE',
    message: `No Claude CLI could be kept running for this session: ${reason}`,
    givenUp: true,
  });
  for (const prompt of queuedPrompts(builder.state)) completeTurn(builder, [prompt], EXITED);
}

function goOn(builder: StepBuilder): Step {
  const { record, child } = builder.state;
  if (child.phase === 'none' && record.closed?.isPurged) builder.effect({ kind: 'forget' });
  settle(builder);
  return builder.finish();
}

/** It has to wait until others give up their child. */
export function onPlaced(state: SessionState, place: QueuePosition, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (state.child.phase !== 'starting') return builder.finish();
  builder.update({ place });
  const { sessionId } = state.record;
  const { position, estimateMs } = place;
  const about = estimateMs === undefined ? '' : `, for about ${Math.ceil(estimateMs / 1000)} s`;
  const message = `All Claude CLIs that may run are at work. This session waits as number ${position}${about}.`;
  builder.frame({ type: 'progress', data: { sessionId, stage: 'queued', message, timestamp: builder.timestamp } });
  return builder.finish();
}

/** The machine has nothing left to start a child with; it is tried again. */
export function onNoRoom(state: SessionState, message: string, now: number): Step {
  const builder = new StepBuilder(unplaced(state), now);
  const { sessionId } = state.record;
  builder.frame({ type: 'progress', data: { sessionId, stage: 'capacity', message, timestamp: builder.timestamp } });
  return builder.finish();
}

/** Its child is not wanted any more, before it was started. */
export function onStartCancelled(state: SessionState, now: number): Step {
  const builder = new StepBuilder(unplaced(state), now);
  dropTakenBack(builder);
  builder.update({ child: { phase: 'none' } });
  return goOn(builder);
}
