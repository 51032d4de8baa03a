/** What becomes of a session when its child comes or goes. */
import type { ChildExit, CutBlock } from '../ports/claude.js';
import type { PermissionRecord, PromptRecord } from '../ports/records.js';
import { onBlockCut } from './decide-blocks.js';
import { tellTakenBack } from './decide-remembered.js';
import { endChild, giveAgain, recentFailures, settle, startChild } from './dispatch.js';
import { Draft, type Step } from './draft.js';
import { resolvePermission } from './permission-requests.js';
import { givenPrompts, isBusy, type Place, queuedPrompts, type SessionState, unplaced } from './session-state.js';
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
  const draft = new Draft(unplaced(state), now);
  draft.updateRecord({ child: { childId, startedAt: now, processed: 0, resume: 0, costBase: 0 } });
  draft.update({ child: { phase: 'live', ready: false, input: 'open' } });
  tellTakenBack(draft);
  tellSettings(draft, started);
  if (withoutTranscript) sayForgotten(draft);
  settle(draft);
  return draft.finish();
}

/** Mode and model that were chosen while it was being started. */
function tellSettings(draft: Draft, startedIn: StartedChild): void {
  const { permissionMode: mode, modelChoice: model } = draft.state.record;
  const changed = {
    ...(mode !== undefined && mode !== startedIn.permissionMode && { mode }),
    ...(model !== undefined && model !== startedIn.model && { model }),
  };
  if (Object.keys(changed).length > 0) draft.effect({ kind: 'adjustChild', askRules: [], ...changed });
}

/** What was said before stays in the session; Claude does not know of it. */
function sayForgotten(draft: Draft): void {
  const { sessionId, claudeSessionId } = draft.state.record;
  const message =
    `The Claude CLI has no transcript of the conversation ${claudeSessionId ?? ''}, so it cannot go on with it: ` +
    'a new conversation begins, in which Claude does not know what was said before.';
  draft.event('error', { sessionId, code: 'NOT_FOUND', message });
}

/** The child of an earlier daemon is ours again; what it was given, it has. */
export function onChildAdopted(state: SessionState, { inputTorn }: { inputTorn: boolean }, now: number): Step {
  const draft = new Draft(state, now);
  draft.update({ child: { phase: 'live', ready: true, input: inputTorn ? 'unsure' : 'open' } });
  if (!inputTorn) {
    tellTakenBack(draft);
    giveAgain(draft, givenPrompts(draft.state));
  }
  const { child } = state.record;
  if (child?.ending) endChild(draft, { restart: child.ending === 'restart' });
  settle(draft);
  return draft.finish();
}

/** All that a child with a torn input wrote has been read: now it is known whether a turn of it runs. */
export function onTornChildRead(state: SessionState, answering: boolean, now: number): Step {
  const draft = new Draft(state, now);
  if (answering) beginAnswer(draft);
  if (state.child.phase === 'live') draft.update({ child: { ...state.child, input: 'torn' } });
  settle(draft);
  return draft.finish();
}

export function onStartFailed(state: SessionState, message: string, now: number): Step {
  const draft = new Draft(unplaced(state), now);
  dropTakenBack(draft);
  draft.update({ child: { phase: 'none' } });
  giveUp(draft, message);
  return draft.finish();
}

export interface Exited {
  exit: ChildExit;
  cut: CutBlock[];
  /** By which the conversation goes on, where the child is lost with a question still open. */
  resumption: PromptRecord;
}

/** There is no child on record. Where the daemon died while it was looked up what the last one had begun, it is looked up again. */
export function onNoChild(state: SessionState, now: number): Step {
  const draft = new Draft(state, now);
  dropTakenBack(draft);
  draft.update({ child: { phase: 'none' } });
  checkGiven(draft);
  return goOn(draft);
}

/** There is no child that was granted it. */
function dropTakenBack(draft: Draft): void {
  if (draft.state.record.takenBack) draft.clearRecord('takenBack');
}

/** Whether something was given to a child that is gone, and has to be looked up. */
function checkGiven(draft: Draft): boolean {
  const unsure = givenPrompts(draft.state);
  if (unsure.length === 0) return false;
  draft.update({ child: { phase: 'checking' } });
  draft.effect({ kind: 'checkTranscript', uuids: unsure.map(({ uuid }) => uuid) });
  return true;
}

/** The child is gone. What it had begun ends here; what it may not have got is looked up in its transcript. */
export function onChildExited(state: SessionState, { exit, cut, resumption }: Exited, now: number): Step {
  const draft = new Draft(state, now);
  const ending = endingOf(state);
  if (exit.outputLost && state.turn) draft.update({ turn: { ...state.turn, outputLost: true } });
  for (const block of cut) onBlockCut(draft, block);
  for (const permission of state.permissions) expire(draft, permission);
  draft.clearRecord('child', 'takenBack');
  draft.update({ child: { phase: 'none' }, background: [], tools: new Map() });
  endTurn(draft, cut);
  if (!ending && !isQuiet(state, exit)) sayCrash(draft, exit);
  else if (state.record.child?.cutOff) countLoss(draft);
  if (ending?.restart !== false && wasCutOff(state)) resume(draft, resumption);
  const isUnsure = checkGiven(draft);
  if (!isUnsure && ending?.restart && !draft.state.record.closed && !draft.state.record.failed) startChild(draft);
  return goOn(draft);
}

/** Prompts that the dead child's transcript holds had begun; the others are given to the next child, if there is to be one, under the same uuid. */
export function onTranscriptChecked(state: SessionState, found: ReadonlySet<string>, now: number): Step {
  const draft = new Draft(state, now);
  draft.update({ child: { phase: 'none' } });
  for (const prompt of givenPrompts(state)) {
    if (found.has(prompt.uuid) || state.record.failed) completeTurn(draft, [prompt], EXITED);
    else if (state.record.closed) completeTurn(draft, [prompt], { ...EXITED, subtype: 'interrupted' });
    else draft.putPrompt({ ...prompt, state: 'queued', mode: prompt.mode === 'resume' ? 'resume' : 'queue' });
  }
  return goOn(draft);
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
function resume(draft: Draft, resumption: PromptRecord): void {
  if (!draft.state.record.failed) draft.putPrompt(resumption);
}

const EXITED = { subtype: 'child_exited', isError: true, finalResult: '', durationMs: 0, numTurns: 0 };

function expire(draft: Draft, permission: PermissionRecord): void {
  if (permission.decision === undefined) resolvePermission(draft, permission, { decision: 'expired' });
  else {
    const { answer: _, ...read } = permission;
    draft.putPermission(read);
  }
}

/**
 * The turn ends for the prompts that began it. Where an answer was seen and none was acknowledged, the oldest began it:
 * the transcript may not hold it yet, and it must not be run again. Where the disk was full the acknowledgement may have
 * been lost, and the transcript with it. What was interrupted or closed is not wanted any more, begun or not.
 */
function endTurn(draft: Draft, cut: CutBlock[]): void {
  const { turn, record } = draft.state;
  if (!turn) return;
  const stopped = turn.interrupted || record.closed !== undefined;
  const subtype = turn.outputLost ? OUTPUT_LOST : stopped ? 'interrupted' : EXITED.subtype;
  const answered = turn.answering || cut.some(({ block }) => block.parentToolUseId === undefined);
  const given = givenPrompts(draft.state);
  const began = subtype === EXITED.subtype ? begunOf(given, answered) : given;
  const unsure = given.length > began.length;
  const durationMs = Math.round(draft.state.ticks - turn.startedAt);
  if (began.length > 0 || !unsure) completeTurn(draft, began, { ...EXITED, subtype, durationMs });
  draft.update({ turn: null });
}

function begunOf(given: PromptRecord[], answered: boolean): PromptRecord[] {
  const acknowledged = given.filter(({ state }) => state === 'processing');
  return acknowledged.length === 0 && answered ? given.slice(0, 1) : acknowledged;
}

function sayCrash(draft: Draft, { code, signal, lastWords }: ChildExit): void {
  const how = signal ?? (code === null ? 'for an unknown reason' : `with code ${code}`);
  const message = `The Claude CLI ended ${how}.${lastWords && ` Its last words: ${lastWords}`}`;
  draft.event('error', { sessionId: draft.state.record.sessionId, code: 'CLAUDE_UNAVAILABLE', message });
  if (countFailure(draft) >= MAX_FAILURES) giveUp(draft, message);
}

/** Each child that is started may lose it again, and asks the API anew. */
function countLoss(draft: Draft): void {
  if (countFailure(draft) >= MAX_FAILURES) giveUp(draft, 'each of the last ones could not ask for permission.');
}

/** Returns how many there were of late. */
function countFailure(draft: Draft): number {
  const failures = [...recentFailures(draft.state), draft.state.ticks];
  draft.update({ failures });
  return failures.length;
}

/** Nothing is started by itself any more; the next prompt or `streamStart` tries again. */
function giveUp(draft: Draft, reason: string): void {
  draft.updateRecord({ failed: { reason } });
  draft.event('error', {
    sessionId: draft.state.record.sessionId,
    code: 'CLAUDE_UNAVAILABLE',
    message: `No Claude CLI could be kept running for this session: ${reason}`,
    givenUp: true,
  });
  for (const prompt of queuedPrompts(draft.state)) completeTurn(draft, [prompt], EXITED);
}

function goOn(draft: Draft): Step {
  const { record, child } = draft.state;
  if (child.phase === 'none' && record.closed?.isPurged) draft.effect({ kind: 'forget' });
  settle(draft);
  return draft.finish();
}

/** It has to wait until others give up their child. */
export function onPlaced(state: SessionState, place: Place, now: number): Step {
  const draft = new Draft(state, now);
  if (state.child.phase !== 'starting') return draft.finish();
  draft.update({ place });
  const { sessionId } = state.record;
  const { position, estimateMs } = place;
  const about = estimateMs === undefined ? '' : `, for about ${Math.ceil(estimateMs / 1000)} s`;
  const message = `All Claude CLIs that may run are at work. This session waits as number ${position}${about}.`;
  draft.frame({ type: 'progress', data: { sessionId, stage: 'queued', message, timestamp: draft.timestamp } });
  return draft.finish();
}

/** The machine has nothing left to start a child with; it is tried again. */
export function onNoRoom(state: SessionState, message: string, now: number): Step {
  const draft = new Draft(unplaced(state), now);
  const { sessionId } = state.record;
  draft.frame({ type: 'progress', data: { sessionId, stage: 'capacity', message, timestamp: draft.timestamp } });
  return draft.finish();
}

/** Its child is not wanted any more, before it was started. */
export function onStartCancelled(state: SessionState, now: number): Step {
  const draft = new Draft(unplaced(state), now);
  dropTakenBack(draft);
  draft.update({ child: { phase: 'none' } });
  return goOn(draft);
}
