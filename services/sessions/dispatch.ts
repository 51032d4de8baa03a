/** The scheduling of prompts: they go to the child one turn at a time. */
import type { ContentBlock } from '../../protocol/content.js';
import type { UserMessage } from '../ports/claude.js';
import type { PromptContents, PromptRecord } from '../ports/records.js';
import type { Effect } from './effects.js';
import { givenPrompts, queuedPrompts, type SessionState } from './session-state.js';
import type { StepBuilder } from './step-builder.js';
import { newTurn } from './turns.js';

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
  if (record.closed) {
    if (child.phase === 'live') endChild(builder, { restart: false });
    return;
  }
  if (child.phase === 'live' && child.input !== 'open') {
    if (child.input === 'torn' && !canFinish(builder.state)) endChild(builder, { restart: true });
    return;
  }
  const next = queuedPrompts(builder.state)[0];
  if (!next || turn || givenPrompts(builder.state).length > 0) return;
  if (child.phase === 'none') startChild(builder);
  else if (child.phase === 'live') dispatch(builder, next);
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

/** An interrupt takes milliseconds. A CLI that is still starting reads it when ready. */
const REACT_MS = 5000;
const COME_UP_MS = 30_000;

export const interruption = ({ child, turn, ticks }: SessionState): Extract<Effect, { kind: 'interrupt' }> => ({
  kind: 'interrupt',
  withinMs: child.phase === 'live' && child.ready ? REACT_MS : COME_UP_MS,
  turnStartedAt: turn?.startedAt ?? ticks,
});

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
  if (!builder.state.turn) builder.update({ turn: newTurn(builder.state.ticks) });
  if (!prompt.announced) announce(builder, prompt, contents);
  give(builder, prompt, contents);
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
  builder.effect({ kind: 'sendMessage', message: messageOf(uuid, contents), promptId, requestId });
}

function announce(builder: StepBuilder, { uuid, promptId, device }: PromptRecord, contents: PromptContents): void {
  const { text } = contents;
  const images = contents.images.map(({ mediaType, data }) => ({
    type: 'image' as const,
    mediaType,
    bytes: decodedBytes(data),
  }));
  const content: ContentBlock[] = text.trim() === '' ? images : [{ type: 'text', text }, ...images];
  builder.event('humanMessage', { messageId: uuid, content, deviceId: device.deviceId, promptId }, uuid);
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
