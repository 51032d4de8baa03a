/** The session's reaction to the start and end of its child. */

import type { PromptId } from '../../../protocol/scalars.js';
import type { ChildExit, CutBlock } from '../../ports/claude.js';
import type { PermissionRecord, PromptContents, PromptRecord } from '../../ports/records.js';
import { onBlockCut } from './decide-blocks.js';
import { tellTakenBack } from './decide-command.js';
import { endChild, giveAgain, recentFailures, settle, startChild } from './dispatch.js';
import { resolvePermission } from './permission-requests.js';
import { tellAdoptedChild, tellStartedChild } from './session-labels.js';
import {
  givenPrompts,
  isBusy,
  openPermissions,
  type QueuePosition,
  queuedPrompts,
  type SessionState,
  unplaced,
} from './session-state.js';
import { type ChildAdjustment, type Step, StepBuilder } from './step-builder.js';
import { owedChanges } from './turn-changes.js';
import { beginAnswer, completeTurn, endAnswer, OUTPUT_LOST } from './turns.js';

/** After this many recent deaths during a turn, no more children are started automatically. */
const MAX_FAILURES = 5;

export interface StartedChild {
  childId: string;
  /** The child's start settings: the record can have changed since. */
  permissionMode?: string | undefined;
  model?: string | undefined;
  effort?: string | undefined;
  addDirectories?: readonly string[];
  /** The conversation that it continues. */
  resume?: unknown;
  /** The conversation to be resumed has no transcript. */
  withoutTranscript?: boolean;
}

/** A child runs: it gets the next prompt at once, before it reports that it is ready. */
export function onChildStarted(state: SessionState, started: StartedChild, now: number): Step {
  const { childId, withoutTranscript = false } = started;
  const builder = new StepBuilder(unplaced(state), now);
  builder.updateRecord({ child: { childId, startedAt: now, processed: 0, resume: 0, costBase: 0 } });
  builder.update({ child: { phase: 'live', ready: false, input: 'open' } });
  tellTakenBack(builder);
  tellSettings(builder, started);
  tellStartedChild(builder, { isResumed: started.resume !== undefined });
  // The first note takes longest: it is made while the CLI comes up.
  builder.effect({ kind: 'noteFiles', at: now });
  if (withoutTranscript) sayForgotten(builder);
  settle(builder);
  return builder.finish();
}

/** Sends the settings that were chosen during the start, and those that the CLI takes only while it runs. */
function tellSettings(builder: StepBuilder, startedIn: StartedChild): void {
  const { permissionMode: mode, modelChoice: model, effort = null } = builder.state.record;
  adjust(builder, {
    ...(mode !== undefined && mode !== startedIn.permissionMode && { mode }),
    ...(model !== undefined && model !== startedIn.model && { model }),
    ...(effort !== (startedIn.effort ?? null) && { effort }),
    ...keptSettings(builder.state, startedIn.addDirectories),
  });
}

/** An earlier daemon can have died between telling its child and recording it. */
function tellKeptSettings(builder: StepBuilder): void {
  const { effort } = builder.state.record;
  adjust(builder, { ...(effort !== undefined && { effort }), ...keptSettings(builder.state) });
}

/** The thinking budget, and the directories that the child was not started with. */
function keptSettings({ record }: SessionState, startedWith: readonly string[] = []): ChildAdjustment {
  const { maxThinkingTokens, addedDirectories = [] } = record;
  const isKnown = addedDirectories.every((directory) => startedWith.includes(directory));
  return {
    ...(typeof maxThinkingTokens === 'number' && { maxThinkingTokens }),
    ...(!isKnown && { directories: addedDirectories }),
  };
}

function adjust(builder: StepBuilder, changed: ChildAdjustment): void {
  if (Object.keys(changed).length > 0) builder.effect({ kind: 'adjustChild', ...changed });
}

/** Earlier messages stay in the session, but Claude does not know them. */
function sayForgotten(builder: StepBuilder): void {
  const { sessionId, claudeSessionId } = builder.state.record;
  const message =
    `The Claude CLI has no transcript of the conversation ${claudeSessionId ?? ''}, so it cannot go on with it: ` +
    'a new conversation begins, in which Claude does not know what was said before.';
  builder.event('error', { sessionId, code: 'NOT_FOUND', message });
}

/** The child of an earlier daemon was adopted; it has received what it was given. */
export function onChildAdopted(state: SessionState, { inputTorn }: { inputTorn: boolean }, now: number): Step {
  const builder = new StepBuilder(state, now);
  const owed = state.permissions.flatMap(({ ask, answer }) => (answer ? [ask.requestId] : []));
  builder.update({ child: { phase: 'live', ready: true, input: inputTorn ? 'unsure' : 'open', owed } });
  if (!inputTorn) {
    tellTakenBack(builder);
    tellKeptSettings(builder);
    tellAdoptedChild(builder);
    giveAgain(builder, givenPrompts(builder.state));
  }
  const { child } = state.record;
  if (child?.ending) endChild(builder, { restart: child.ending === 'restart' });
  settle(builder);
  return builder.finish();
}

/** All output of a child with a torn input was read: now it is known whether it runs a turn. */
export function onTornChildRead(state: SessionState, answering: boolean, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (answering) beginAnswer(builder);
  if (state.child.phase === 'live') builder.update({ child: { ...state.child, input: 'torn' } });
  settle(builder);
  return builder.finish();
}

export function onStartFailed(state: SessionState, message: string, now: number): Step {
  const builder = new StepBuilder(unplaced(state), now);
  dropGone(builder);
  builder.update({ child: { phase: 'none' } });
  giveUp(builder, message);
  return builder.finish();
}

export interface Exited {
  exit: ChildExit;
  cut: CutBlock[];
  /** The prompt that continues the conversation if the child is lost with an open question. */
  resumption: PromptRecord;
}

/** No child is on record. If the daemon died while checking what the last one had begun, the check is repeated. */
export function onNoChild(state: SessionState, now: number): Step {
  const builder = new StepBuilder(state, now);
  dropGone(builder);
  builder.update({ child: { phase: 'none' } });
  checkGiven(builder);
  return goOn(builder);
}

/** No child has the grant, or the other context, any more. */
function dropGone(builder: StepBuilder): void {
  const { takenBack, outdated } = builder.state.record;
  if (takenBack || outdated) builder.clearRecord('takenBack', 'outdated');
}

/** Whether a lost child had prompts that must be looked up: given ones, and those that the daemon is to continue. */
function checkGiven(builder: StepBuilder): boolean {
  const unsure = [...givenPrompts(builder.state), ...(builder.state.record.continues ?? [])];
  if (unsure.length === 0) return false;
  builder.update({ child: { phase: 'checking' } });
  builder.effect({ kind: 'checkTranscript', uuids: unsure.map(({ uuid }) => uuid) });
  return true;
}

/** The child is gone. What it had begun ends here; prompts it possibly never got are looked up in its transcript. */
export function onChildExited(state: SessionState, { exit, cut, resumption }: Exited, now: number): Step {
  const builder = new StepBuilder(state, now);
  const ending = endingOf(state);
  if (exit.outputLost && state.turn) builder.update({ turn: { ...state.turn, outputLost: true } });
  for (const block of cut) onBlockCut(builder, block);
  for (const permission of state.permissions) expire(builder, permission);
  builder.clearRecord('child', 'takenBack', 'outdated');
  builder.update({ child: { phase: 'none' }, background: [], tools: new Map() });
  endTurn(builder, cut);
  if (!ending && !isQuiet(state, exit)) sayCrash(builder, exit);
  else if (state.record.child?.cutOff) countLoss(builder);
  if (ending?.restart !== false && wasCutOff(state)) resume(builder, resumption, givenPrompts(state));
  const isUnsure = checkGiven(builder);
  if (!isUnsure && ending?.restart && !builder.state.record.closed && !builder.state.record.failed) startChild(builder);
  return goOn(builder);
}

/** What the transcript of a dead child says. */
export interface Checked {
  /** The uuids of the prompts that are in it. */
  found: ReadonlySet<string>;
  /** The text of the daemon's own prompt, where what it continues is not in the transcript. */
  continuation?: string | undefined;
}

/** Prompts in the dead child's transcript had begun; the others go to the next child, if any, under the same uuid. */
export function onTranscriptChecked(state: SessionState, { found, continuation }: Checked, now: number): Step {
  const builder = new StepBuilder(state, now);
  builder.update({ child: { phase: 'none' } });
  builder.clearRecord('continues');
  const own = queuedPrompts(state).find(({ mode, announced }) => mode === 'resume' && !announced);
  if (own && continuation !== undefined) builder.putPrompt({ ...own, text: continuation });
  for (const prompt of givenPrompts(state)) {
    if (found.has(prompt.uuid) || state.record.failed) completeTurn(builder, [prompt], EXITED);
    else if (state.record.closed) completeTurn(builder, [prompt], { ...EXITED, subtype: 'interrupted' });
    else builder.putPrompt({ ...prompt, state: 'queued', mode: prompt.mode === 'resume' ? 'resume' : 'queue' });
  }
  return goOn(builder);
}

/** The ending is recorded, since only the next daemon may see the exit. */
function endingOf({ child, record }: SessionState): { restart: boolean } | undefined {
  if (child.phase === 'ending') return child;
  return record.child?.ending && { restart: record.child.ending === 'restart' };
}

/** An idle CLI exits by itself, with code 0, after a long time without requests; or it was ended as an orphan. */
const isQuiet = (state: SessionState, { code, orphaned = false }: ChildExit): boolean =>
  orphaned || (code === 0 && !isBusy(state));

/**
 * A turn that needed a person's answer and can no longer get it, without having been stopped. The tool that elicits was
 * running: its turn ends like that of any other running tool.
 */
const wasCutOff = ({ permissions, record, turn }: SessionState): boolean =>
  !record.closed &&
  !record.failed &&
  !turn?.interrupted &&
  (record.child?.cutOff === true ||
    permissions.some(({ decision, ask }) => decision === undefined && ask.kind === undefined));

/**
 * Tells Claude to continue; nothing is repeated, and pending permissions are requested again. Of the `given` prompts,
 * those whose turn has ended are continued: Claude must know them.
 */
function resume(builder: StepBuilder, resumption: PromptRecord, given: readonly PromptRecord[]): void {
  if (builder.state.record.failed) return;
  builder.putPrompt(resumption);
  const left = new Set(givenPrompts(builder.state).map(({ promptId }) => promptId));
  const continues = given
    .filter(({ promptId }) => !left.has(promptId))
    .map(({ uuid, mode }) => ({ uuid, ...(mode === 'resume' && { isOwn: true as const }) }));
  if (continues.length > 0) builder.updateRecord({ continues });
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
 * The turn ends for the prompts that began it. If an answer was seen but no prompt acknowledged, the oldest began it:
 * the transcript can still lack it, and it must not run again. If the disk was full, both the acknowledgement and the
 * transcript can be lost. Interrupted or closed work is not repeated, begun or not.
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
  if (began.length > 0 || !unsure) {
    completeTurn(builder, began, { ...EXITED, subtype, durationMs, ...owedChanges(builder) });
  }
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

/** Each new child can lose the channel again, and calls the API again. */
function countLoss(builder: StepBuilder): void {
  if (countFailure(builder) >= MAX_FAILURES) giveUp(builder, 'none of the last ones could ask for permission.');
}

/** Returns the number of recent failures. */
function countFailure(builder: StepBuilder): number {
  const failures = [...recentFailures(builder.state), builder.state.ticks];
  builder.update({ failures });
  return failures.length;
}

/** Nothing is started automatically any more; the next prompt or `streamStart` tries again. */
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

/** The session must wait for a free slot. */
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

/** The machine lacks resources to start a child; the start is retried. */
export function onNoRoom(state: SessionState, message: string, now: number): Step {
  const builder = new StepBuilder(unplaced(state), now);
  const { sessionId } = state.record;
  builder.frame({ type: 'progress', data: { sessionId, stage: 'capacity', message, timestamp: builder.timestamp } });
  return builder.finish();
}

/** Its child is no longer needed, before it was started. */
export function onStartCancelled(state: SessionState, now: number): Step {
  const builder = new StepBuilder(unplaced(state), now);
  dropGone(builder);
  builder.update({ child: { phase: 'none' } });
  return goOn(builder);
}

// Reactions to a child that is silent, or does not stop when interrupted.

/** Times are counted in our own checks, not by a clock: a machine that slept must not make a child seem silent. */
export interface Silence {
  /** Time since the child's last line, in milliseconds. */
  silentMs: number;
  /** How long it has not reacted to a probe, in milliseconds; undefined while it reacts. */
  deafMs: number | undefined;
  /** It is in the middle of an API message. */
  isStreaming: boolean;
}

/** A child that does not react for this long is given up, in milliseconds. */
const GIVEN_UP_MS = 600_000;

/** A turn ran for a minute without output: followers are told what it is doing. */
export function onSilence(state: SessionState, silence: Silence, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (!state.turn || openPermissions(state).length > 0) return builder.finish();
  if (silence.deafMs !== undefined && silence.deafMs >= GIVEN_UP_MS) {
    replace(builder, `Claude has not reacted for ${duration(silence.deafMs)}: it is started again.`);
  } else {
    const { sessionId } = state.record;
    builder.frame({ type: 'progress', data: { sessionId, ...explain(state, silence), timestamp: builder.timestamp } });
  }
  return builder.finish();
}

function explain({ tools, turn, ticks }: SessionState, { silentMs, deafMs, isStreaming }: Silence) {
  const silent = duration(silentMs);
  if (deafMs !== undefined) {
    const message = `Claude has said nothing for ${silent} and does not react. An interrupt starts it again.`;
    return { stage: 'unresponsive', message };
  }
  const [tool] = [...tools.values()].sort((a, b) => a.since - b.since);
  if (tool) return { stage: 'tool', message: `still running ${tool.name}, ${duration(ticks - tool.since)}` };
  if (turn?.calling || isStreaming) return { stage: 'api', message: `still waiting for the API, ${silent}` };
  return {
    stage: 'silent',
    message: `Claude has said nothing for ${silent}. It can be interrupted.`,
  };
}

/** The child was interrupted but did not stop: it is ended, and another continues the conversation. */
export function onInterruptIgnored(state: SessionState, turnStartedAt: number, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (state.turn?.interrupted && state.turn.startedAt === turnStartedAt)
    replace(builder, 'Claude did not react to the interrupt: it is started again.');
  return builder.finish();
}

function replace(builder: StepBuilder, message: string): void {
  const { child, record } = builder.state;
  if (child.phase !== 'live') return;
  builder.event('error', { sessionId: record.sessionId, code: 'TIMEOUT', message });
  endChild(builder, { restart: true, insist: true });
}

const MINUTE_MS = 60_000;

/** For a person: `45 s`, `3 min`, `2 h 5 min`. */
function duration(ms: number): string {
  // A check can come slightly before the full minute.
  const minutes = Math.round(ms / MINUTE_MS);
  if (minutes === 0) return `${Math.round(ms / 1000)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// The handling of a prompt's text and attachments once they were read from the disk.

/** Gives the prompt to the child, if it is still next. */
export function onContentsRead(
  state: SessionState,
  contents: ReadonlyMap<PromptId, PromptContents>,
  now: number,
): Step {
  const builder = new StepBuilder({ ...state, contents }, now);
  if (state.child.phase === 'live' && state.child.input === 'open') {
    giveAgain(
      builder,
      givenPrompts(state).filter(({ promptId }) => contents.has(promptId)),
    );
  }
  settle(builder);
  return builder.finish();
}

const LOST = {
  subtype: 'contents_lost',
  isError: true,
  finalResult: '',
  durationMs: 0,
  numTurns: 0,
};

/** The prompt can no longer be run; the next ones can. */
export function onContentsLost(state: SessionState, lost: readonly PromptId[], now: number): Step {
  const builder = new StepBuilder(state, now);
  const gone = state.prompts.filter(({ promptId }) => lost.includes(promptId));
  for (const prompt of gone) {
    builder.event('error', {
      sessionId: state.record.sessionId,
      code: 'NOT_FOUND',
      message: 'A waiting prompt cannot run: its text or attachments are missing on the disk. Send it again.',
    });
    completeTurn(builder, [prompt], LOST);
  }
  if (givenPrompts(state).length > 0 && givenPrompts(builder.state).length === 0) endAnswer(builder);
  settle(builder);
  return builder.finish();
}
