/** Commands of people on a session. Each function throws `CompanionError` when impossible, and then changes nothing. */
import type { ClientData } from '../../../protocol/client-frames.js';
import { CompanionError } from '../../../protocol/error-codes.js';
import type { ClaudeSessionId, PromptId } from '../../../protocol/scalars.js';
import type {
  PermissionAsk,
  PermissionRecord,
  PromptRecord,
  RememberedGrant,
  SessionRecord,
} from '../../ports/records.js';
import { sayContinuing, stopWaiting, switchOff, yieldToPerson } from './auto-continue.js';
import { requireBudget, usedUp } from './budgets.js';
import { dispatch, dropPrompt, endChild, interruption, replaceChild, settle, startChild } from './dispatch.js';
import { judge, requireOneTap, resolvePermission } from './permission-requests.js';
import { remember, takeBack, withoutModes } from './remembered-grants.js';
import { labelConversation, nameConversation, unarchive } from './session-labels.js';
import {
  continuesAt,
  givenPrompts,
  isBusy,
  isIdle,
  nextPrompt,
  queuedPrompts,
  type SessionState,
} from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';
import { completeTurn, INTERRUPTED } from './turns.js';

const MAX_QUEUED = 1000;
/** The close reason of a session whose record is removed with its child. */
const PURGED = { reason: 'purged', isPurged: true } as const;

/** The number of the session's prompts ahead of one accepted now, including the running one. */
export function positionOf(state: SessionState, mode: PromptRecord['mode']): number {
  return mode === 'steer' && canSteer(state) ? 0 : state.prompts.length;
}

const canSteer = ({ turn, child }: SessionState): boolean =>
  turn !== null && !turn.interrupted && child.phase === 'live' && child.input === 'open';

/** A new prompt: queued, and dispatched at once when nothing is ahead of it or it steers the running turn. */
export function acceptPrompt(state: SessionState, prompt: PromptRecord, now: number): Step {
  const builder = new StepBuilder(state, now);
  takePrompt(builder, prompt);
  return builder.finish();
}

function takePrompt(builder: StepBuilder, prompt: PromptRecord): void {
  if (builder.state.record.closed) throw closedError();
  if (queuedPrompts(builder.state).length >= MAX_QUEUED) {
    throw new CompanionError('CAPACITY', `At most ${MAX_QUEUED} prompts of a session may wait.`);
  }
  requireBudget(builder.state, builder.now);
  forgive(builder);
  yieldToPerson(builder);
  unarchive(builder);
  builder.updateRecord({ lastActivity: builder.now });
  if (builder.state.record.queueHeld) builder.clearRecord('queueHeld');
  builder.putPrompt(prompt);
  if (prompt.mode === 'steer' && canSteer(builder.state)) dispatch(builder, prompt);
  else settle(builder);
}

/** A person's request resets earlier failures. */
function forgive(builder: StepBuilder): void {
  if (!builder.state.record.failed) return;
  builder.clearRecord('failed');
  builder.update({ failures: [] });
}

const closedError = () =>
  new CompanionError('CONFLICT', 'The session is closed.', {
    suggestion: 'streamStart in its directory opens it again.',
  });

export function cancelPrompt(state: SessionState, promptId: PromptId, now: number): Step {
  const prompt = state.prompts.find((one) => one.promptId === promptId);
  if (!prompt) throw new CompanionError('CONFLICT', 'The prompt has already ended.', { field: 'promptId' });
  const builder = new StepBuilder(state, now);
  if (prompt.state === 'queued') {
    dropPrompt(builder, prompt);
    settle(builder);
  } else if (state.turn) interruptTurn(builder);
  else completeTurn(builder, [prompt], INTERRUPTED);
  return builder.finish();
}

export interface InterruptRequest {
  clearQueue?: boolean | undefined;
  /** `false`: what waits goes on. Otherwise it is kept, and not started until a person asks for it. */
  holdQueue?: boolean | undefined;
}

export function interrupt(state: SessionState, { clearQueue, holdQueue = true }: InterruptRequest, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (clearQueue) for (const prompt of queuedPrompts(state)) dropPrompt(builder, prompt);
  interruptTurn(builder);
  if (holdQueue && queuedPrompts(builder.state).length > 0) builder.updateRecord({ queueHeld: true });
  settle(builder);
  return builder.finish();
}

/** Steered prompts that the CLI holds, as far as is known, while it runs the turn of another prompt. */
export function unreadPrompts(state: SessionState): PromptRecord[] {
  const given = givenPrompts(state);
  const unread = given.filter((prompt) => prompt.mode === 'steer' && prompt.state === 'dispatching');
  return unread.length < given.length ? unread : [];
}

/** They were meant for the turn that is stopped: the CLI would run them as a turn of their own. */
function withdrawUnread(builder: StepBuilder): void {
  const unread = unreadPrompts(builder.state);
  if (unread.length === 0) return;
  builder.effect({ kind: 'withdrawMessages', uuids: unread.map(({ uuid }) => uuid) });
  for (const prompt of unread) completeTurn(builder, [prompt], INTERRUPTED);
}

/**
 * Also interrupts a prompt that waits for its child to start, since the person sees it as running, and one still being
 * checked after the death of its child.
 */
function interruptTurn(builder: StepBuilder): void {
  switchOff(builder);
  const { turn, child } = builder.state;
  const next = givenPrompts(builder.state)[0] ?? nextPrompt(builder.state);
  if (turn) {
    withdrawUnread(builder);
    builder.update({ turn: { ...turn, interrupted: true } });
    const { child: held } = builder.state.record;
    if (held) builder.updateRecord({ child: { ...held, interrupted: true } });
    if (child.phase === 'live' && child.input !== 'open') endChild(builder, { restart: true });
    else builder.effect(interruption(builder.state));
  } else if (next) {
    completeTurn(builder, [next], INTERRUPTED);
  }
}

export interface PermissionAnswer {
  answer: ClientData<'permission'>;
  deviceId: string;
  /** Given by the button of a notification, which does not show the whole request. */
  inOneTap?: boolean | undefined;
  /** The open request and its full contents. */
  permission: PermissionRecord;
  asked: PermissionAsk;
}

/** Answers an open request. `decided` is the result. */
export function answerPermission(state: SessionState, meant: PermissionAnswer, now: number) {
  const { answer, deviceId, permission, asked, inOneTap = false } = meant;
  const { decision, answer: told, grant, mode } = judge(asked, answer);
  if (inOneTap && decision === 'allow') requireOneTap(asked);
  const builder = new StepBuilder(state, now);
  const decided: PermissionRecord = { ...permission, decision, byDeviceId: deviceId };
  const { ask } = permission;
  if (grant) builder.updateRecord(remember(state.record, { ask, grant, byDeviceId: deviceId, at: now }));
  // The child switches to it on reading the answer.
  if (mode !== undefined) change(builder, { permissionMode: mode });
  resolvePermission(builder, permission, { decision, answer: told, grant, byDeviceId: deviceId });
  builder.effect({ kind: 'answerPermission', requestId: permission.ask.requestId, answer: told });
  return { step: builder.finish(), decided };
}

/** Records names and settings; the child, if it needs them, was told before. */
export function amend(state: SessionState, changes: Partial<SessionRecord>, now: number): Step {
  const builder = new StepBuilder(state, now);
  change(builder, changes);
  return builder.finish();
}

function change(builder: StepBuilder, changes: Partial<SessionRecord>): void {
  const before = builder.state.record;
  if (Object.keys(changes).length > 0) builder.updateRecord({ ...changes, updatedAt: builder.now });
  if (changes.permissionMode !== undefined) chooseMode(builder);
  // A person wants it once more.
  if (changes.autoContinue) builder.clearRecord('continuedAt');
  if (changes.name !== undefined && changes.name !== before.name) nameConversation(builder);
  labelConversation(builder, before);
  const isOther = changes.context !== undefined && changes.context !== (before.context ?? '');
  if (isOther && builder.state.child.phase !== 'none') builder.updateRecord({ outdated: true });
}

/** A command of the CLI has changed its model, which the next child gets as well. */
export function onModelRead(state: SessionState, model: string, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (model !== state.record.model) change(builder, { model, modelChoice: model });
  return builder.finish();
}

export const close = (state: SessionState, reason: string, now: number): Step => closeAs(state, { reason }, now);

function closeAs(state: SessionState, closed: NonNullable<SessionRecord['closed']>, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (state.record.closed) return builder.finish();
  switchOff(builder);
  builder.updateRecord({ closed, updatedAt: now });
  for (const prompt of queuedPrompts(state)) dropPrompt(builder, prompt);
  if (state.turn) builder.update({ turn: { ...state.turn, interrupted: true } });
  settle(builder);
  return builder.finish();
}

/** Ends the child in any state: the daemon is about to stop. */
export function dismissChild(state: SessionState, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (state.child.phase === 'live') endChild(builder, { restart: false });
  return builder.finish();
}

/** Ends an idle child; the next prompt resumes its conversation. */
export function hibernate(state: SessionState, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (isIdle(state)) endChild(builder, { restart: false });
  return builder.finish();
}

/**
 * The limit has reset: sends the daemon's own prompt. Undefined: nothing waits for it any more. A reset is recorded with
 * the prompt, so it has no second one, whatever restarts or sets its clock.
 */
export function continueAfterReset(state: SessionState, prompt: PromptRecord, now: number): Step | undefined {
  const resetsAt = continuesAt(state);
  if (resetsAt === undefined || isBusy(state)) return undefined;
  const builder = new StepBuilder(state, now);
  builder.updateRecord({ continuedAt: resetsAt, lastActivity: now });
  stopWaiting(builder);
  if (usedUp(state)) {
    sayContinuing(
      builder,
      'The usage limit has reset, but a budget is used up: the daemon does not continue by itself.',
    );
    return builder.finish();
  }
  sayContinuing(
    builder,
    'The usage limit has reset: the daemon continues by itself, as was asked for in this session.',
  );
  builder.putPrompt(prompt);
  settle(builder);
  return builder.finish();
}

/** Removes the record too, once the child is gone. */
export function purge(state: SessionState, now: number): Step {
  const { closed: _, ...record } = state.record;
  const step = closeAs({ ...state, record }, PURGED, now);
  return step.state.child.phase === 'none' ? { ...step, effects: [...step.effects, { kind: 'forget' }] } : step;
}

/** The conversation that the directory's session will have. */
export type Conversation =
  | { kind: 'new'; keepRemembered?: boolean }
  /** `at`: the last message that it keeps. */
  | { kind: 'resume'; claudeSessionId: ClaudeSessionId; fork: boolean; at?: string }
  | { kind: 'fork' };

export interface StartRequest {
  conversation?: Conversation;
  /** Names and settings; the child, if it needs them, was told before. */
  changes: Partial<SessionRecord>;
  prompt?: PromptRecord;
}

/** Opens the session for work: reopens a closed one, and switches the conversation if requested. */
export function start(state: SessionState, { conversation, changes, prompt }: StartRequest, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (state.record.closed) builder.clearRecord('closed');
  forgive(builder);
  // First: a name is that of the conversation to come, and not told to the child of the one before.
  if (conversation && !isCurrent(state, conversation)) changeConversation(builder, conversation);
  change(builder, changes);
  const { child } = builder.state;
  if (child.phase === 'none') startChild(builder);
  if (child.phase === 'ending') builder.update({ child: { phase: 'ending', restart: true } });
  if (prompt) takePrompt(builder, prompt);
  return builder.finish();
}

const isCurrent = (state: SessionState, conversation: Conversation): boolean =>
  conversation.kind === 'resume' && !conversation.fork && conversation.claudeSessionId === state.record.claudeSessionId;

function changeConversation(builder: StepBuilder, conversation: Conversation): void {
  yieldToPerson(builder);
  if (isBusy(builder.state)) {
    throw new CompanionError('CONFLICT', 'The conversation can change only while the session is idle.', {
      field: 'options',
      rule: 'must not have resume, fork or preserveContext: false unless the session is idle',
    });
  }
  if (conversation.kind === 'new') {
    builder.clearRecord('claudeSessionId', 'fork', 'resumeAt', 'joining');
    if (!conversation.keepRemembered) forgetRemembered(builder, () => true);
  }
  if (conversation.kind === 'fork') builder.updateRecord({ fork: true });
  if (conversation.kind === 'resume') {
    builder.clearRecord('fork', 'resumeAt');
    const { claudeSessionId, fork, at: resumeAt } = conversation;
    const branch = { ...(fork && { fork }), ...(resumeAt !== undefined && { resumeAt }) };
    builder.updateRecord({ claudeSessionId, joining: true, ...branch });
  }
  replaceChild(builder);
}

// Revoking remembered grants.

/** A person revokes one grant, or all. Throws `NOT_FOUND` for an unknown id. */
export function takeBackRemembered(state: SessionState, id: string | undefined, now: number) {
  const isTaken = (grant: RememberedGrant) => id === undefined || grant.id === id;
  const taken = (state.record.remembered ?? []).filter(isTaken);
  if (id !== undefined && taken.length === 0) {
    throw new CompanionError('NOT_FOUND', 'Nothing with this id is remembered in this session.', { field: 'id' });
  }
  const builder = new StepBuilder(state, now);
  if (taken.length > 0) {
    builder.updateRecord({ updatedAt: now });
    forgetRemembered(builder, isTaken);
  }
  return { step: builder.finish() satisfies Step, taken };
}

/**
 * A revoked grant ends for the running child as well: it is switched to the right mode, and made to ask for the rest.
 * The revocation is recorded until the child has ended, since the next daemon can have to tell it.
 */
function forgetRemembered(builder: StepBuilder, isTaken: (grant: RememberedGrant) => boolean): void {
  const { record, child } = builder.state;
  const taken = (record.remembered ?? []).filter(isTaken);
  if (taken.length === 0) return;
  const { kept, askRules, mode } = takeBack(record, isTaken);
  builder.updateRecord({ remembered: kept, ...(mode !== undefined && { permissionMode: mode }) });
  const rules = taken.flatMap((grant) => (grant.inFile ? grant.rules : []));
  if (rules.length > 0) builder.effect({ kind: 'forgetFileRules', rules });
  if (child.phase === 'none') return;
  const askBefore = record.takenBack?.askRules ?? [];
  const takenBack = { askRules: [...new Set([...askBefore, ...askRules])], ...(mode !== undefined && { mode }) };
  builder.updateRecord({ takenBack });
  tellTakenBack(builder);
}

/** Tells the child again: it can have started with the revoked grant, or was not told by the last daemon. */
export function tellTakenBack(builder: StepBuilder): void {
  const { takenBack, permissionMode } = builder.state.record;
  if (!takenBack || builder.state.child.phase !== 'live') return;
  const { askRules, mode } = takenBack;
  builder.effect({ kind: 'adjustChild', askRules, ...(mode === permissionMode && mode !== undefined && { mode }) });
}

/** A person has chosen a mode, so remembered modes end. */
function chooseMode(builder: StepBuilder): void {
  const { remembered, takenBack } = builder.state.record;
  if (remembered?.some(({ mode }) => mode !== undefined))
    builder.updateRecord({ remembered: withoutModes(remembered) });
  if (takenBack?.mode !== undefined) builder.updateRecord({ takenBack: { askRules: takenBack.askRules } });
}
