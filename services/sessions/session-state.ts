import type { EventData } from '../../protocol/events.js';
import type { PromptId, SessionStatus } from '../../protocol/scalars.js';
import type {
  BackgroundTask,
  PermissionRecord,
  PromptContents,
  PromptRecord,
  SessionRecord,
} from '../ports/records.js';

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
  | { phase: 'live'; ready: boolean; input: ChildInput }
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

/** Prompts given to the CLI. */
export const givenPrompts = (state: SessionState): PromptRecord[] =>
  state.prompts.filter((prompt) => prompt.state !== 'queued');

export const isBusy = (state: SessionState): boolean =>
  state.turn !== null || state.prompts.length > 0 || openPermissions(state).length > 0;

/** When a person last used it, or its child was active; opening changes the record, but is no activity of the child. */
export const lastUseOf = ({ record }: SessionState): number => Math.max(record.lastActivity, record.updatedAt);

/** Whether it is open, unused since this time, and idle. */
export const isUnused = (state: SessionState, before: number): boolean =>
  !state.record.closed && !isBusy(state) && state.background.length === 0 && lastUseOf(state) < before;

/** Removes its position in the queue. */
export function unplaced(state: SessionState): SessionState {
  const { place, ...others } = state;
  return place ? others : state;
}

/** Whether ending the child would interrupt nothing. Background processes of its tools are not known here. */
export const isIdle = (state: SessionState): boolean =>
  state.child.phase === 'live' && state.child.ready && !isBusy(state) && state.background.length === 0;

/** For a session without a child, which is started by the next prompt. */
const statusWithout = (state: SessionState): SessionStatus =>
  queuedPrompts(state).length > 0 ? 'starting' : 'hibernated';

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

export function sessionStatusOf(state: SessionState): EventData<'sessionStatus'> {
  const { record, background, place } = state;
  const reason = record.closed?.reason ?? record.failed?.reason;
  return {
    sessionId: record.sessionId,
    status: statusOf(state),
    lastActivity: new Date(record.lastActivity).toISOString(),
    messageCount: record.messageCount,
    totalCost: record.totalCost,
    ...(record.model !== undefined && { model: record.model }),
    ...(record.permissionMode !== undefined && { permissionMode: record.permissionMode }),
    ...(record.remembered?.length && { remembered: record.remembered.length }),
    queueDepth: queuedPrompts(state).length,
    ...(background.length > 0 && { background: [...background] }),
    ...(place && { place }),
    ...(reason !== undefined && { reason }),
  };
}

/** The fields whose changes are reported: times and counts alone are not. */
export function statusKey(state: SessionState): string {
  const { lastActivity: _, messageCount: __, totalCost: ___, place, ...rest } = sessionStatusOf(state);
  return JSON.stringify({ ...rest, position: place?.position });
}
