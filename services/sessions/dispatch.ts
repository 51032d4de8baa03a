/** Who is next: prompts go to the child one turn at a time. */
import type { ContentBlock } from '../../protocol/content.js';
import type { UserMessage } from '../ports/claude.js';
import type { PromptContents, PromptRecord } from '../ports/records.js';
import type { Draft } from './draft.js';
import type { Effect } from './effects.js';
import { givenPrompts, queuedPrompts, type SessionState } from './session-state.js';
import { newTurn } from './turns.js';

const MAX_BACKOFF_MS = 60_000;
/** What failed longer ago, in milliseconds, says nothing of the next child. */
const FAILURES_WITHIN_MS = 600_000;

/** When, by `ticks`, children of late died before their time. */
export const recentFailures = ({ failures, ticks }: SessionState): number[] =>
  failures.filter((at) => at > ticks - FAILURES_WITHIN_MS);

/** What is left of the time between the last of these failures and the next start, in milliseconds. */
function backoffMs(failures: readonly number[], ticks: number): number {
  const last = failures.at(-1);
  if (last === undefined) return 0;
  return Math.max(0, last + Math.min(1000 * 2 ** (failures.length - 1), MAX_BACKOFF_MS) - ticks);
}

/** Does what can be done next: ends the child of a closed session, starts one that is needed, dispatches a prompt. */
export function settle(draft: Draft): void {
  const { child, record, turn } = draft.state;
  if (record.closed) {
    if (child.phase === 'live') endChild(draft, { restart: false });
    return;
  }
  if (child.phase === 'live' && child.input !== 'open') {
    if (child.input === 'torn' && !canFinish(draft.state)) endChild(draft, { restart: true });
    return;
  }
  const next = queuedPrompts(draft.state)[0];
  if (!next || turn || givenPrompts(draft.state).length > 0) return;
  if (child.phase === 'none') startChild(draft);
  else if (child.phase === 'live') dispatch(draft, next);
}

/** A child that cannot be written to may still finish its turn, unless it waits for an answer. */
const canFinish = ({ prompts, permissions, turn }: SessionState): boolean =>
  permissions.length === 0 && (turn?.answering === true || prompts.some(({ state }) => state === 'processing'));

export function startChild(draft: Draft): void {
  draft.update({ child: { phase: 'starting' } });
  const { failures, ticks } = draft.state;
  const delayMs = backoffMs(recentFailures(draft.state), ticks);
  draft.effect({ kind: 'startChild', delayMs, afterFailure: failures.length > 0 });
}

export interface EndOptions {
  /** Another is started in its place. */
  restart: boolean;
  /** It does not react: it is not asked first. */
  insist?: boolean;
}

export function endChild(draft: Draft, { restart, insist = false }: EndOptions): void {
  const { child } = draft.state.record;
  if (child) draft.updateRecord({ child: { ...child, ending: restart ? 'restart' : 'rest' } });
  draft.update({ child: { phase: 'ending', restart } });
  draft.effect({ kind: 'endChild', insist });
}

/** An interrupt takes milliseconds. A CLI that is only coming up reads it when it is there. */
const REACT_MS = 5000;
const COME_UP_MS = 30_000;

export const interruption = ({ child, turn, ticks }: SessionState): Extract<Effect, { kind: 'interrupt' }> => ({
  kind: 'interrupt',
  withinMs: child.phase === 'live' && child.ready ? REACT_MS : COME_UP_MS,
  turnStartedAt: turn?.startedAt ?? ticks,
});

/**
 * Gives a prompt to the child. It is announced once, also when it has to be given to a second child. One that waits on
 * the disk is read first.
 */
export function dispatch(draft: Draft, prompt: PromptRecord): void {
  const contents = contentsOf(draft.state, prompt);
  if (!contents) {
    draft.effect({ kind: 'readPrompts', prompts: [prompt] });
    return;
  }
  draft.putPrompt({ ...prompt, state: 'dispatching', announced: true });
  if (!draft.state.turn) draft.update({ turn: newTurn(draft.state.ticks) });
  if (!prompt.announced) announce(draft, prompt, contents);
  give(draft, prompt, contents);
}

/**
 * Gives prompts once more to a child that may not have got them; it ignores what it has. They keep their order, so none
 * goes before all of them were read.
 */
export function giveAgain(draft: Draft, prompts: readonly PromptRecord[]): void {
  const unsure = prompts.filter(({ state }) => state === 'dispatching');
  const unread = unsure.filter((prompt) => !contentsOf(draft.state, prompt));
  if (unread.length > 0) {
    draft.effect({ kind: 'readPrompts', prompts: unsure });
    return;
  }
  for (const prompt of unsure) {
    const contents = contentsOf(draft.state, prompt);
    if (contents) give(draft, prompt, contents);
  }
}

/** The whole of a prompt, where it is in memory. */
const contentsOf = ({ contents }: SessionState, { promptId, text, body }: PromptRecord): PromptContents | undefined =>
  contents?.get(promptId) ?? (body ? undefined : { text, images: [] });

function give(draft: Draft, { promptId, requestId, uuid }: PromptRecord, contents: PromptContents): void {
  draft.effect({ kind: 'sendMessage', message: messageOf(uuid, contents), promptId, requestId });
}

function announce(draft: Draft, { uuid, promptId, device }: PromptRecord, contents: PromptContents): void {
  const { text } = contents;
  const images = contents.images.map(({ mediaType, data }) => ({
    type: 'image' as const,
    mediaType,
    bytes: decodedBytes(data),
  }));
  const content: ContentBlock[] = text.trim() === '' ? images : [{ type: 'text', text }, ...images];
  draft.event('humanMessage', { messageId: uuid, content, deviceId: device.deviceId, promptId }, uuid);
  draft.updateRecord({ messageCount: draft.state.record.messageCount + 1 });
}

const PADDING = '='.charCodeAt(0);

/** Bytes behind base64. */
const decodedBytes = (base64: Uint8Array): number =>
  Math.floor((base64.length * 3) / 4) - base64.subarray(-2).filter((byte) => byte === PADDING).length;

function messageOf(uuid: string, { text, images: given }: PromptContents): UserMessage {
  const images = given.map(({ mediaType, data }) => ({ type: 'image' as const, mediaType, data }));
  return { uuid, content: text.trim() === '' ? images : [{ type: 'text', text }, ...images] };
}
