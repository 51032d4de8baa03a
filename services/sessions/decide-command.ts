/** Commands of people on a session. Each function throws `CompanionError` when impossible, and then changes nothing. */
import type { ClientData } from '../../protocol/client-frames.js';
import { CompanionError } from '../../protocol/error-codes.js';
import type { ClaudeSessionId, PromptId } from '../../protocol/scalars.js';
import type { PermissionAsk, PermissionRecord, PromptRecord, SessionRecord } from '../ports/records.js';
import { chooseMode, forgetRemembered } from './decide-remembered.js';
import { dispatch, endChild, interruption, settle, startChild } from './dispatch.js';
import { judge, resolvePermission } from './permission-requests.js';
import { remember } from './remembered-grants.js';
import { givenPrompts, isBusy, isIdle, queuedPrompts, type SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';
import { completeTurn } from './turns.js';

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
  forgive(builder);
  builder.updateRecord({ lastActivity: builder.now });
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
    drop(builder, prompt);
    settle(builder);
  } else if (state.turn) interruptTurn(builder);
  else completeTurn(builder, [prompt], INTERRUPTED);
  return builder.finish();
}

export function interrupt(state: SessionState, clearQueue: boolean, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (clearQueue) for (const prompt of queuedPrompts(state)) drop(builder, prompt);
  interruptTurn(builder);
  return builder.finish();
}

/**
 * Also interrupts a prompt that waits for its child to start, since the person sees it as running, and one still being
 * checked after the death of its child.
 */
function interruptTurn(builder: StepBuilder): void {
  const { turn, child } = builder.state;
  const [next] = [...givenPrompts(builder.state), ...queuedPrompts(builder.state)];
  if (turn) {
    builder.update({ turn: { ...turn, interrupted: true } });
    const { child: held } = builder.state.record;
    if (held) builder.updateRecord({ child: { ...held, interrupted: true } });
    if (child.phase === 'live' && child.input !== 'open') endChild(builder, { restart: true });
    else builder.effect(interruption(builder.state));
  } else if (next) {
    completeTurn(builder, [next], INTERRUPTED);
  }
}

/** A prompt that was announced and is queued again since its child died must end visibly. */
function drop(builder: StepBuilder, prompt: PromptRecord): void {
  if (prompt.announced) completeTurn(builder, [prompt], INTERRUPTED);
  else builder.putPrompt({ ...prompt, state: 'cancelled' });
}

const INTERRUPTED = { subtype: 'interrupted', isError: true, finalResult: '', durationMs: 0, numTurns: 0 };

export interface PermissionAnswer {
  answer: ClientData<'permission'>;
  deviceId: string;
  /** The open request and its full contents. */
  permission: PermissionRecord;
  asked: PermissionAsk;
}

/** Answers an open request. `decided` is the result. */
export function answerPermission(state: SessionState, meant: PermissionAnswer, now: number) {
  const { answer, deviceId, permission, asked } = meant;
  const verdict = judge(asked, answer);
  const builder = new StepBuilder(state, now);
  const decided: PermissionRecord = { ...permission, decision: verdict.decision, byDeviceId: deviceId };
  const { grant } = verdict;
  const { ask } = permission;
  if (grant) builder.updateRecord(remember(state.record, { ask, grant, byDeviceId: deviceId, at: now }));
  resolvePermission(builder, permission, { ...verdict, byDeviceId: deviceId });
  builder.effect({ kind: 'answerPermission', requestId: permission.ask.requestId, answer: verdict.answer });
  return { step: builder.finish(), decided };
}

/** Records names and settings; the child, if it needs them, was told before. */
export function amend(state: SessionState, changes: Partial<SessionRecord>, now: number): Step {
  const builder = new StepBuilder(state, now);
  change(builder, changes);
  return builder.finish();
}

function change(builder: StepBuilder, changes: Partial<SessionRecord>): void {
  if (Object.keys(changes).length > 0) builder.updateRecord({ ...changes, updatedAt: builder.now });
  if (changes.permissionMode !== undefined) chooseMode(builder);
}

export const close = (state: SessionState, reason: string, now: number): Step => closeAs(state, { reason }, now);

function closeAs(state: SessionState, closed: NonNullable<SessionRecord['closed']>, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (state.record.closed) return builder.finish();
  builder.updateRecord({ closed, updatedAt: now });
  for (const prompt of queuedPrompts(state)) drop(builder, prompt);
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

/** Removes the record too, once the child is gone. */
export function purge(state: SessionState, now: number): Step {
  const { closed: _, ...record } = state.record;
  const step = closeAs({ ...state, record }, PURGED, now);
  return step.state.child.phase === 'none' ? { ...step, effects: [...step.effects, { kind: 'forget' }] } : step;
}

/** The conversation that the directory's session will have. */
export type Conversation =
  | { kind: 'new'; keepRemembered?: boolean }
  | { kind: 'resume'; claudeSessionId: ClaudeSessionId; fork: boolean }
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
  change(builder, changes);
  if (conversation && !isCurrent(state, conversation)) changeConversation(builder, conversation);
  const { child } = builder.state;
  if (child.phase === 'none') startChild(builder);
  if (child.phase === 'ending') builder.update({ child: { phase: 'ending', restart: true } });
  if (prompt) takePrompt(builder, prompt);
  return builder.finish();
}

const isCurrent = (state: SessionState, conversation: Conversation): boolean =>
  conversation.kind === 'resume' && !conversation.fork && conversation.claudeSessionId === state.record.claudeSessionId;

function changeConversation(builder: StepBuilder, conversation: Conversation): void {
  if (isBusy(builder.state)) {
    throw new CompanionError('CONFLICT', 'The conversation can change only while the session is idle.', {
      field: 'options',
      rule: 'must not have resume, fork or preserveContext: false unless the session is idle',
    });
  }
  if (conversation.kind === 'new') {
    builder.clearRecord('claudeSessionId', 'fork', 'joining');
    if (!conversation.keepRemembered) forgetRemembered(builder, () => true);
  }
  if (conversation.kind === 'fork') builder.updateRecord({ fork: true });
  if (conversation.kind === 'resume') {
    builder.clearRecord('fork');
    const { claudeSessionId, fork } = conversation;
    builder.updateRecord({ claudeSessionId, joining: true, ...(fork && { fork }) });
  }
  const { child } = builder.state.record;
  if (builder.state.child.phase === 'live') endChild(builder, { restart: true });
  else if (child) builder.updateRecord({ child: { ...child, ending: 'restart' } });
}
