/** The scheduling of prompts: they go to the child one turn at a time. */
import type { ContentBlock } from '../../../protocol/content.js';
import type { UserMessage } from '../../ports/claude.js';
import type { PromptContents, PromptRecord, ToolChoice } from '../../ports/records.js';
import { isHeldBack } from './budgets.js';
import { givenPrompts, nextPrompt, queuedPrompts, type SessionState } from './session-state.js';
import { type Effect, type Step, StepBuilder } from './step-builder.js';
import { beginTurn, completeTurn, INTERRUPTED } from './turns.js';

const MAX_BACKOFF_MS = 60_000;
/** An older failure, in milliseconds, says nothing about the next child. */
const FAILURES_WITHIN_MS = 600_000;

/** When, by `ticks`, recent children died early. */
export const recentFailures = ({ failures, ticks }: SessionState): number[] =>
  failures.filter((at) => at > ticks - FAILURES_WITHIN_MS);

/** The remaining time until the next start after these failures, in milliseconds. */
function backoffMs(failures: readonly number[], ticks: number): number {
  const last = failures.at(-1);
  if (last === undefined) return 0;
  return Math.max(0, last + Math.min(1000 * 2 ** (failures.length - 1), MAX_BACKOFF_MS) - ticks);
}

/** Takes the next possible action: ends the child of a closed session, starts a needed one, or dispatches a prompt. */
export function settle(builder: StepBuilder): void {
  const { child, record, turn } = builder.state;
  releaseEmptyQueue(builder);
  if (record.closed) {
    if (child.phase === 'live') endChild(builder, { restart: false });
    return;
  }
  if (child.phase === 'live' && child.input !== 'open') {
    if (child.input === 'torn' && !canFinish(builder.state)) endChild(builder, { restart: true });
    return;
  }
  const next = nextPrompt(builder.state);
  if (!next || turn || givenPrompts(builder.state).length > 0) return;
  if (isHeldBack(builder.state, next)) builder.updateRecord({ queueHeld: true });
  else begin(builder, next);
}

/** A child with another context than the session's is replaced first, unless it runs anything beside its turns. */
function begin(builder: StepBuilder, next: PromptRecord): void {
  const { child, record, background } = builder.state;
  if (child.phase === 'none') startChild(builder);
  else if (child.phase !== 'live') return;
  else if (record.outdated && background.length === 0) endChild(builder, { restart: true });
  else dispatch(builder, next);
}

function releaseEmptyQueue(builder: StepBuilder): void {
  if (builder.state.record.queueHeld && queuedPrompts(builder.state).length === 0) builder.clearRecord('queueHeld');
}

/** A child with a broken input can still finish its turn, unless it waits for an answer. */
const canFinish = ({ prompts, permissions, turn }: SessionState): boolean =>
  permissions.length === 0 && (turn?.answering === true || prompts.some(({ state }) => state === 'processing'));

export function startChild(builder: StepBuilder): void {
  builder.update({ child: { phase: 'starting' } });
  const { failures, ticks } = builder.state;
  const delayMs = backoffMs(recentFailures(builder.state), ticks);
  builder.effect({ kind: 'startChild', delayMs, afterFailure: failures.length > 0 });
}

export interface EndOptions {
  /** A replacement is started. */
  restart: boolean;
  /** The child is unresponsive: it is killed without being asked first. */
  insist?: boolean;
}

export function endChild(builder: StepBuilder, { restart, insist = false }: EndOptions): void {
  const { child } = builder.state.record;
  if (child) builder.updateRecord({ child: { ...child, ending: restart ? 'restart' : 'rest' } });
  builder.update({ child: { phase: 'ending', restart } });
  builder.effect({ kind: 'endChild', insist });
}

/** The next child has another conversation. */
export function replaceChild(builder: StepBuilder): void {
  const { child } = builder.state.record;
  if (builder.state.child.phase === 'live') endChild(builder, { restart: true });
  else if (child) builder.updateRecord({ child: { ...child, ending: 'restart' } });
}

/** An interrupt takes milliseconds. A CLI that is still starting reads it when ready. */
const REACT_MS = 5000;
const COME_UP_MS = 30_000;

export const interruption = ({ child, turn, ticks }: SessionState): Extract<Effect, { kind: 'interrupt' }> => ({
  kind: 'interrupt',
  withinMs: child.phase === 'live' && child.ready ? REACT_MS : COME_UP_MS,
  turnStartedAt: turn?.startedAt ?? ticks,
});

/** Ends a waiting prompt. One that was announced and is queued again since its child died must end visibly. */
export function dropPrompt(builder: StepBuilder, prompt: PromptRecord): void {
  if (prompt.announced) completeTurn(builder, [prompt], INTERRUPTED);
  else builder.putPrompt({ ...prompt, state: 'cancelled' });
}

/**
 * Gives a prompt to the child. It is announced once, even if given to a second child. Contents on the disk are read
 * first.
 */
export function dispatch(builder: StepBuilder, prompt: PromptRecord): void {
  const contents = contentsOf(builder.state, prompt);
  if (!contents) {
    builder.effect({ kind: 'readPrompts', prompts: [prompt] });
    return;
  }
  builder.putPrompt({ ...prompt, state: 'dispatching', announced: true });
  if (!prompt.announced) announce(builder, prompt, contents);
  give(builder, prompt, contents);
  // The prompt is not kept waiting for it.
  if (!builder.state.turn) beginTurn(builder);
}

/**
 * Gives prompts again to a child that possibly did not get them; it ignores those it has. They keep their order, so all
 * must be read before the first is sent.
 */
export function giveAgain(builder: StepBuilder, prompts: readonly PromptRecord[]): void {
  const unsure = prompts.filter(({ state }) => state === 'dispatching');
  const unread = unsure.filter((prompt) => !contentsOf(builder.state, prompt));
  if (unread.length > 0) {
    builder.effect({ kind: 'readPrompts', prompts: unsure });
    return;
  }
  for (const prompt of unsure) {
    const contents = contentsOf(builder.state, prompt);
    if (contents) give(builder, prompt, contents);
  }
}

/** The full contents of a prompt, if in memory. */
const contentsOf = ({ contents }: SessionState, { promptId, text, body }: PromptRecord): PromptContents | undefined =>
  contents?.get(promptId) ?? (body ? undefined : { text, images: [] });

function give(builder: StepBuilder, { promptId, requestId, uuid }: PromptRecord, contents: PromptContents): void {
  const message = messageOf(uuid, contents);
  const hint = hintOf(builder.state.record.toolChoice, contents.text);
  const content = hint === undefined ? message.content : [...message.content, { type: 'text' as const, text: hint }];
  builder.effect({ kind: 'sendMessage', message: { uuid, content }, promptId, requestId });
}

/** What Claude is asked to prefer. A command of the CLI must not have more than its own text. */
function hintOf({ priority = [] }: ToolChoice = {}, text: string): string | undefined {
  if (priority.length === 0 || text.trimStart().startsWith('/')) return undefined;
  return `<system-reminder>Where several tools would do, prefer the first of these: ${priority.join(', ')}.</system-reminder>`;
}

function announce(builder: StepBuilder, { uuid, promptId, device }: PromptRecord, contents: PromptContents): void {
  const { text } = contents;
  const images = contents.images.map(({ mediaType, data }) => ({
    type: 'image' as const,
    mediaType,
    bytes: decodedBytes(data),
  }));
  const content: ContentBlock[] = text.trim() === '' ? images : [{ type: 'text', text }, ...images];
  builder.event('humanMessage', { messageId: uuid, content, deviceId: device.deviceId, promptId }, { messageId: uuid });
  builder.updateRecord({ messageCount: builder.state.record.messageCount + 1 });
}

const PADDING = '='.charCodeAt(0);

/** Decoded length of base64 in bytes. */
const decodedBytes = (base64: Uint8Array): number =>
  Math.floor((base64.length * 3) / 4) - base64.subarray(-2).filter((byte) => byte === PADDING).length;

function messageOf(uuid: string, { text, images: given }: PromptContents): UserMessage {
  const images = given.map(({ mediaType, data }) => ({ type: 'image' as const, mediaType, data }));
  return { uuid, content: text.trim() === '' ? images : [{ type: 'text', text }, ...images] };
}

/**
 * The disk was full and the CLI continued: lines are missing, possibly including its `result`. The turn fails, and the
 * child is replaced, since its state is unknown.
 */
export function loseOutput(builder: StepBuilder): void {
  const { child, turn, record } = builder.state;
  if (child.phase !== 'live') return;
  builder.offLine();
  if (turn) builder.update({ turn: { ...turn, outputLost: true } });
  if (record.child) builder.updateRecord({ child: { ...record.child, outputLost: true } });
  builder.event('error', {
    sessionId: record.sessionId,
    code: 'STORAGE_FULL',
    message: 'The disk was full; some of Claude’s output is lost, and the turn is ended.',
  });
  endChild(builder, { restart: true });
}

/** While even that cannot be recorded, at least the connected clients are told. */
export function sayStorageFull(state: SessionState, now: number): Step {
  const builder = new StepBuilder(state, now);
  const message = 'The disk is full: nothing can be kept, so nothing goes on until there is room.';
  const { sessionId } = state.record;
  builder.frame({
    type: 'progress',
    data: { sessionId, stage: 'storage_full', message, timestamp: builder.timestamp },
  });
  return builder.finish();
}

/** A separate step: detected not by a line but by checking the disk. Output is lost only during a turn. */
export function onOutputLost(state: SessionState, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (state.turn) loseOutput(builder);
  return builder.finish();
}
