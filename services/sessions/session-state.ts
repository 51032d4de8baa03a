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
 * Whether the child can be written to. `torn`: an earlier daemon died in the middle of a line, so nothing may follow it.
 * `unsure`: torn, and what the child wrote up to now has not all been read.
 */
export type ChildInput = 'open' | 'unsure' | 'torn';

/** The child as the session sees it. `adopting`: an earlier daemon's is being taken up. `checking`: it died, and the transcript is asked what it had begun. */
export type ChildPhase =
  | { phase: 'none' }
  | { phase: 'starting' }
  | { phase: 'adopting' }
  | { phase: 'live'; ready: boolean; input: ChildInput }
  | { phase: 'ending'; restart: boolean }
  | { phase: 'checking' };

/** A turn that runs. Its prompts are those dispatched to the child; which of them it took in is in their state. */
export interface Turn {
  /** By `ticks`. */
  startedAt: number;
  interrupted: boolean;
  /** Something of its answer was seen, whether or not the child has told which prompt began it (2.1.197 tells late). */
  answering: boolean;
  /** The API was asked and has not begun to answer. */
  calling: boolean;
  /** The CLI said that the API failed. */
  apiError: boolean;
  /** The disk was full while it ran: what the CLI said is not all there. */
  outputLost: boolean;
}

export interface RunningTool {
  name: string;
  /** As the CLI calls it in its lines: empty where it has no id there. */
  foreignId: string;
  /** When it was called, by `ticks`. */
  since: number;
}

export interface Noise {
  lines: number;
  bytes: number;
  /** By `ticks`: when it was told of last, or began. */
  since: number;
}

export interface SessionState {
  /** Milliseconds by a clock that nobody sets, unlike that of the wall: durations are measured with it. */
  ticks: number;
  record: SessionRecord;
  /** seq of the last event. */
  head: number;
  child: ChildPhase;
  turn: Turn | null;
  /** Not ended, oldest first. */
  prompts: readonly PromptRecord[];
  /** Of prompts that wait on the disk, those that were read for this very step: no state keeps them. */
  contents?: ReadonlyMap<PromptId, PromptContents>;
  /** Open, or decided but not known to have been read by the CLI; oldest first. */
  permissions: readonly PermissionRecord[];
  background: readonly BackgroundTask[];
  /** The tools whose results are to come, by tool use id. */
  tools: ReadonlyMap<string, RunningTool>;
  /** While lines are taken: those of the tool ids in them that were used before. */
  takenToolIds?: ReadonlySet<string>;
  /** What the child wrote that is not its protocol and nobody was told of yet. */
  noise?: Noise;
  /** The plan that Claude handed in last, by tool use id: 2.1.329 asks for approval without it when it is in no file. */
  plan?: { toolId: string; text: string };
  /** A mode that the CLI was asked for: its own word of the change is no news. */
  requestedMode?: string;
  /** When, by `ticks`, children of late died before a turn of theirs had ended. */
  failures: readonly number[];
  /** Its position among the sessions that wait for a slot. */
  place?: QueuePosition;
}

export interface QueuePosition {
  /** 1: the next. */
  position: number;
  /** Milliseconds, where turns have ended before from which it can be told. */
  estimateMs?: number;
}

export const openPermissions = (state: SessionState): PermissionRecord[] =>
  state.permissions.filter(({ decision }) => decision === undefined);

/** In the order in which they run. */
export const queuedPrompts = (state: SessionState): PromptRecord[] =>
  state.prompts
    .filter((prompt) => prompt.state === 'queued')
    .sort((a, b) => Number(b.mode === 'resume') - Number(a.mode === 'resume'));

/** Prompts that the CLI has been given. */
export const givenPrompts = (state: SessionState): PromptRecord[] =>
  state.prompts.filter((prompt) => prompt.state !== 'queued');

export const isBusy = (state: SessionState): boolean =>
  state.turn !== null || state.prompts.length > 0 || openPermissions(state).length > 0;

/** When a person has last had to do with it, or its child; an opening is no activity of the child, but a change of the record. */
export const lastUseOf = ({ record }: SessionState): number => Math.max(record.lastActivity, record.updatedAt);

/** Whether it is open, nothing has been done with it since this moment, and nothing is being done. */
export const isUnused = (state: SessionState, before: number): boolean =>
  !state.record.closed && !isBusy(state) && state.background.length === 0 && lastUseOf(state) < before;

/** Without its place in the line. */
export function unplaced(state: SessionState): SessionState {
  const { place, ...others } = state;
  return place ? others : state;
}

/** Whether the child has nothing to do that its end would cut short. What its tools have left behind is not known here. */
export const isIdle = (state: SessionState): boolean =>
  state.child.phase === 'live' && state.child.ready && !isBusy(state) && state.background.length === 0;

/** Of a session without a child: one is started for the next prompt. */
const statusWithout = (state: SessionState): SessionStatus =>
  queuedPrompts(state).length > 0 ? 'starting' : 'hibernated';

/** The status of a session follows from its state; it is never stored. */
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

/** What a change of is worth telling: times and counts alone are not. */
export function statusKey(state: SessionState): string {
  const { lastActivity: _, messageCount: __, totalCost: ___, place, ...rest } = sessionStatusOf(state);
  return JSON.stringify({ ...rest, position: place?.position });
}
