import { createHash } from 'node:crypto';
import type { EventData, QueuedPrompt } from '../../../protocol/events.js';
import { cutText } from '../../../protocol/plain-text.js';
import type { PromptId, SessionStatus } from '../../../protocol/scalars.js';
import type { BudgetStanding } from '../../ports/budgets.js';
import type {
  BackgroundTask,
  PermissionRecord,
  PromptContents,
  PromptRecord,
  SessionRecord,
} from '../../ports/records.js';

/**
 * Whether the child's input is usable. `torn`: an earlier daemon died in the middle of a line, so nothing can follow
 * it. `unsure`: torn, and the child's output so far has not all been read.
 */
export type ChildInput = 'open' | 'unsure' | 'torn';

/** `adopting`: an earlier daemon's child. `checking`: it died, and the transcript is searched for what it had begun. */
export type ChildPhase =
  | { phase: 'none' }
  | { phase: 'starting' }
  | { phase: 'adopting' }
  | {
      phase: 'live';
      ready: boolean;
      input: ChildInput;
      /** Of an adopted child, until it has answered `initialize`: the requests whose answers it had not read by then. */
      owed?: readonly string[];
      /** Of an adopted child that has answered `initialize`: its list of tasks is compared with the record. */
      comparesTasks?: true;
    }
  | { phase: 'ending'; restart: boolean }
  | { phase: 'checking' };

/** A running turn. Its prompts are those dispatched to the child; their states show which of them it accepted. */
export interface Turn {
  /** By `ticks`. */
  startedAt: number;
  interrupted: boolean;
  /** Part of its answer was seen, even if the child has not reported which prompt began it (2.1.197 is late). */
  answering: boolean;
  /** The API was called and has not responded yet. */
  calling: boolean;
  /** The CLI reported an API failure. */
  apiError: boolean;
  /** The disk was full while it ran: the CLI's recorded output is incomplete. */
  outputLost: boolean;
}

export interface RunningTool {
  name: string;
  /** The CLI's id in its lines: empty when there is none. */
  foreignId: string;
  /** When it was called, by `ticks`. */
  since: number;
}

export interface Noise {
  lines: number;
  bytes: number;
  /** By `ticks`: when it was last reported, or began. */
  since: number;
}

export interface SessionState {
  /** Milliseconds of a monotonic clock, used to measure durations. */
  ticks: number;
  record: SessionRecord;
  /** seq of the last event. */
  head: number;
  child: ChildPhase;
  turn: Turn | null;
  /** Not ended, oldest first. */
  prompts: readonly PromptRecord[];
  /** Contents read for this very step, of prompts stored on the disk: no state keeps them. */
  contents?: ReadonlyMap<PromptId, PromptContents>;
  /** Those that hold for it, as they are at this very step: no state keeps them. */
  budgets?: readonly BudgetStanding[];
  /** Open, or decided but not known to have been read by the CLI; oldest first. */
  permissions: readonly PermissionRecord[];
  background: readonly BackgroundTask[];
  /** The tools still without results, by tool use id. */
  tools: ReadonlyMap<string, RunningTool>;
  /** While lines are handled: those of their tool ids that were used before. */
  takenToolIds?: ReadonlySet<string>;
  /** Unreported output of the child outside its protocol. */
  noise?: Noise;
  /** Claude's last submitted plan, by tool use id: 2.1.329 asks for approval without it when it is in no file. */
  plan?: { toolId: string; text: string };
  /** The mode requested from the CLI, whose own report of the change is no news. */
  requestedMode?: string;
  /** When, by `ticks`, recent children died before the end of their turn. */
  failures: readonly number[];
  /** Files or conversation are being rewound: nothing is started meanwhile. */
  rewinding?: true;
  /** Its position among the sessions that wait for a slot. */
  place?: QueuePosition;
}

export interface QueuePosition {
  /** 1: the next. */
  position: number;
  /** Milliseconds; absent until enough turns have ended for an estimate. */
  estimateMs?: number;
}

export const openPermissions = (state: SessionState): PermissionRecord[] =>
  state.permissions.filter(({ decision }) => decision === undefined);

/** In execution order. */
export const queuedPrompts = (state: SessionState): PromptRecord[] =>
  state.prompts
    .filter((prompt) => prompt.state === 'queued')
    .sort((a, b) => Number(b.mode === 'resume') - Number(a.mode === 'resume'));

/** The prompt that may be started next; a held queue waits for its person. */
export const nextPrompt = (state: SessionState): PromptRecord | undefined =>
  state.rewinding ? undefined : queuedPrompts(state).find(({ mode }) => mode === 'resume' || !state.record.queueHeld);

/** Prompts given to the CLI. */
export const givenPrompts = (state: SessionState): PromptRecord[] =>
  state.prompts.filter((prompt) => prompt.state !== 'queued');

export const isBusy = (state: SessionState): boolean =>
  state.turn !== null || state.prompts.length > 0 || openPermissions(state).length > 0 || state.rewinding === true;

/** Times of one reset from two reports can differ by less than this, in milliseconds. */
const SAME_RESET_MS = 60_000;

/** When the limit resets after which the daemon continues by itself, in epoch milliseconds; undefined when it does not. */
export function continuesAt({ record }: Pick<SessionState, 'record'>): number | undefined {
  const { autoContinue, limitedUntil, continuedAt, closed, failed } = record;
  if (!autoContinue || limitedUntil === undefined || closed || failed) return undefined;
  const isDone = continuedAt !== undefined && Math.abs(continuedAt - limitedUntil) < SAME_RESET_MS;
  return isDone ? undefined : limitedUntil;
}

/** When a person last used it, or its child was active; opening changes the record, but is no activity of the child. */
export const lastUseOf = ({ record }: SessionState): number => Math.max(record.lastActivity, record.updatedAt);

/** Whether it is open, unused since this time, and idle. */
export const isUnused = (state: SessionState, before: number): boolean =>
  !state.record.closed &&
  !isBusy(state) &&
  state.background.length === 0 &&
  continuesAt(state) === undefined &&
  lastUseOf(state) < before;

/** Removes its position in the queue. */
export function unplaced(state: SessionState): SessionState {
  const { place, ...others } = state;
  return place ? others : state;
}

/** Whether ending the child would interrupt nothing. Background processes of its tools are not known here. */
export const isIdle = (state: SessionState): boolean =>
  state.child.phase === 'live' && state.child.ready && !isBusy(state) && state.background.length === 0;

/** Whether a child is to be expected without any further request. */
export const isStarting = ({ child }: SessionState): boolean =>
  child.phase === 'starting' || child.phase === 'adopting' || (child.phase === 'ending' && child.restart);

/** For a session without a child, which is started by the next prompt. */
const statusWithout = (state: SessionState): SessionStatus => (nextPrompt(state) ? 'starting' : 'hibernated');

/** The status of a session is derived from its state and never stored. */
export function statusOf(state: SessionState): SessionStatus {
  if (state.record.closed) return 'closed';
  if (openPermissions(state).length > 0) return 'waiting';
  if (state.turn || givenPrompts(state).length > 0) return 'working';
  if (state.record.failed) return 'error';
  switch (state.child.phase) {
    case 'none':
      return statusWithout(state);
    case 'ending':
      return state.child.restart ? 'starting' : statusWithout(state);
    case 'adopting':
      return 'idle';
    case 'live':
      return state.child.ready ? 'idle' : 'starting';
    case 'starting':
    case 'checking':
      return 'starting';
  }
}

const shownTask = ({ taskId, type, description }: BackgroundTask): BackgroundTask => ({
  taskId,
  ...(type !== undefined && { type }),
  ...(description !== undefined && { description }),
});

/** In UTF-16 units: a client can choose a name of 64 KiB. */
const MAX_SHOWN_NAME = 200;

const queueFields = (state: SessionState) => ({
  queueDepth: queuedPrompts(state).length,
  queue: queueView(state).shown,
  ...(state.record.queueHeld && { queueHeld: true }),
});

export function sessionStatusOf(state: SessionState): EventData<'sessionStatus'> {
  const { record, background, place } = state;
  const reason = record.closed?.reason ?? record.failed?.reason;
  const resumesAt = continuesAt(state);
  return {
    sessionId: record.sessionId,
    status: statusOf(state),
    lastActivity: new Date(record.lastActivity).toISOString(),
    messageCount: record.messageCount,
    totalCost: record.totalCost,
    ...choicesOf(record),
    ...(record.remembered?.length && { remembered: record.remembered.length }),
    ...queueFields(state),
    ...(background.length > 0 && { background: background.map(shownTask) }),
    ...(place && { place }),
    ...(record.autoContinue && { autoContinue: true }),
    ...(resumesAt !== undefined && { continuesAt: new Date(resumesAt).toISOString() }),
    ...(reason !== undefined && { reason }),
  };
}

/** What a person can choose for a session. */
function choicesOf(record: SessionRecord): Partial<EventData<'sessionStatus'>> {
  const { addedDirectories: directories = [] } = record;
  return {
    ...(record.name !== undefined && { sessionName: cutText(record.name, MAX_SHOWN_NAME) }),
    ...(record.tag && { tag: record.tag }),
    ...(record.archived?.is && { archived: true }),
    ...(record.model !== undefined && { model: record.model }),
    ...(record.permissionMode !== undefined && { permissionMode: record.permissionMode }),
    ...(record.effort && { effort: record.effort }),
    ...(typeof record.maxThinkingTokens === 'number' && { maxThinkingTokens: record.maxThinkingTokens }),
    ...(directories.length > 0 && { addedDirectories: [...directories] }),
  };
}

/** The fields whose changes are reported: times and counts alone are not. */
export function statusKey(state: SessionState): string {
  const { lastActivity: _, messageCount: __, totalCost: ___, queue: ____, place, ...rest } = sessionStatusOf(state);
  return JSON.stringify({ ...rest, position: place?.position, queue: queueView(state).digest });
}

const MAX_SHOWN_PROMPTS = 50;
const MAX_SHOWN_UNITS = 200;

interface QueueView {
  shown: QueuedPrompt[];
  /** Of what is shown, for comparison; undefined when nothing waits. */
  digest: string | undefined;
}

/** Views by the prompts that they show: every step compares the status, and few change a prompt. */
const queueViews = new WeakMap<readonly PromptRecord[], QueueView>();

function queueView(state: SessionState): QueueView {
  const known = queueViews.get(state.prompts);
  if (known) return known;
  const shown = queuedPrompts(state)
    .slice(0, MAX_SHOWN_PROMPTS)
    .map(({ promptId, text, mode, device: { deviceId } }) => ({
      promptId,
      text: cutText(text, MAX_SHOWN_UNITS),
      mode,
      deviceId,
    }));
  const isEmpty = shown.length === 0;
  const digest = isEmpty ? undefined : createHash('sha256').update(JSON.stringify(shown)).digest('base64url');
  const view = { shown, digest };
  queueViews.set(state.prompts, view);
  return view;
}
