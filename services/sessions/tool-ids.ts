/** Maps the CLI's ids to tool uses: some gateways give the same id to several. */
import { createHash } from 'node:crypto';
import { NAMELESS, ownId } from '../../protocol/foreign-ids.js';
import type { BlockPlace } from '../ports/claude.js';
import type { SessionState } from './session-state.js';
import type { StepBuilder } from './step-builder.js';

/** A recorded tool use, under its own id. */
export interface KnownTool {
  toolId: string;
  toolName: string;
}

/** The recorded tools in some lines. */
export interface KnownTools {
  /** Ids that were used before. */
  taken: ReadonlySet<string>;
  /** Tools used before this daemon started whose results are in the lines, by the CLI's id. */
  used: ReadonlyMap<string, KnownTool>;
}

/** The state for handling lines that name these tools. */
export function withKnownTools(state: SessionState, { taken, used }: KnownTools): SessionState {
  if (taken.size === 0 && used.size === 0) return state;
  const tools = new Map(state.tools);
  for (const [foreignId, { toolId, toolName: name }] of used)
    tools.set(toolId, { name, foreignId, since: state.ticks });
  return { ...state, takenToolIds: taken, tools };
}

export function forgetTakenToolIds(builder: StepBuilder): void {
  const { takenToolIds, ...others } = builder.state;
  if (takenToolIds) builder.state = others;
}

/** The id of a tool use, unique in the session: the API's, unless it is missing or was used before. */
export function nameTool(builder: StepBuilder, foreignId: string, { messageId, blockIndex }: BlockPlace): string {
  const { takenToolIds = new Set(), tools } = builder.state;
  const isFree = foreignId !== '' && !takenToolIds.has(foreignId) && !tools.has(foreignId);
  const place = JSON.stringify([builder.line?.childId, builder.line?.offset, messageId, blockIndex]);
  const toolId = isFree ? foreignId : ownId(foreignId, createHash('sha256').update(place).digest('hex'));
  builder.update({ takenToolIds: new Set([...takenToolIds, toolId]) });
  return toolId;
}

/** The tool use to which a result belongs: the oldest with this id and without a result. */
export const findUse = ({ tools }: SessionState, foreignId: string): string =>
  [...tools].find(([, tool]) => tool.foreignId === foreignId)?.[0] ?? (foreignId || NAMELESS);

/** The tool use that the CLI means by this id now: the last that has it. */
export const findRunning = ({ tools }: SessionState, foreignId: string): string =>
  [...tools].findLast(([, tool]) => tool.foreignId === foreignId)?.[0] ?? foreignId;

/** Its parent is the tool use for which a subagent works. */
export const withOwnParent = <Place extends { parentToolUseId?: string }>(state: SessionState, place: Place): Place =>
  place.parentToolUseId === undefined
    ? place
    : { ...place, parentToolUseId: findRunning(state, place.parentToolUseId) };
