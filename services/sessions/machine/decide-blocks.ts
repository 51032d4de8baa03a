/** The meaning of the CLI's content blocks for a session: streamed text, whole blocks, tools and their results. */

import { createHash } from 'node:crypto';
import type { ContentBlock } from '../../../protocol/content.js';
import { NAMELESS, ownId } from '../../../protocol/foreign-ids.js';
import type { BlockDetails, BlockPlace, CliFact, CutBlock, OpenBlock } from '../../ports/claude.js';
import { onSchedule } from './background.js';
import { endChild } from './dispatch.js';
import type { SessionState } from './session-state.js';
import type { StepBuilder } from './step-builder.js';
import { noteChange, noteTool, shownChange } from './turn-changes.js';
import { beginAnswer } from './turns.js';

type Fact<Kind extends CliFact['kind']> = Extract<CliFact, { kind: Kind }>;

/** Subagents can work in the background; only output of the main conversation means that a turn runs. */
function ensureTurnOfMain(builder: StepBuilder, place: { parentToolUseId?: string }): void {
  if (place.parentToolUseId !== undefined) return;
  beginAnswer(builder);
  const { turn } = builder.state;
  if (turn?.calling) builder.update({ turn: { ...turn, calling: false } });
}

export function onBlockStarted(builder: StepBuilder, { block }: Fact<'blockStarted'>): void {
  ensureTurnOfMain(builder, block);
  if (block.tool) frameToolUse(builder, { toolName: block.tool.name, toolInput: {}, status: 'started' });
}

interface TextPiece {
  offset: number;
  text: string;
  isComplete: boolean;
  aborted?: boolean;
}

function streamText(builder: StepBuilder, block: BlockPlace & Pick<OpenBlock, 'streamType'>, piece: TextPiece): void {
  const { messageId, blockIndex, parentToolUseId, streamType } = withOwnParent(builder.state, block);
  builder.frame({
    type: 'streamData',
    // What differs from the last piece comes last: the rest of the frame compresses to one match.
    data: {
      sessionId: builder.state.record.sessionId,
      streamType,
      messageId,
      blockIndex,
      ...(parentToolUseId !== undefined && { parentToolUseId }),
      ...(piece.aborted && { aborted: true }),
      isComplete: piece.isComplete,
      offset: piece.offset,
      content: { type: 'text', text: piece.text },
    },
  });
}

export function onDelta(builder: StepBuilder, { block, offset, text }: Fact<'delta'>): void {
  ensureTurnOfMain(builder, block);
  streamText(builder, block, { offset, text, isComplete: false });
}

export function onBlock(builder: StepBuilder, fact: Fact<'block'>): void {
  const { details } = fact;
  const place = withOwnParent(builder.state, fact.place);
  const content = withOwnId(builder, place, fact.content);
  ensureTurnOfMain(builder, place);
  if (details.apiError !== undefined && builder.state.turn)
    builder.update({ turn: { ...builder.state.turn, apiError: true } });
  const aborted = details.aborted;
  if (details.streamedLength !== undefined) {
    streamText(
      builder,
      { ...place, streamType: details.streamType },
      {
        offset: details.streamedLength,
        text: '',
        isComplete: true,
        ...(aborted && { aborted }),
      },
    );
  }
  publishBlock(builder, { place, content, details, partial: aborted || (builder.state.turn?.interrupted ?? false) });
  if (isToolUse(content) && !aborted) onToolUse(builder, { place, content, foreignId: foreignIdOf(fact.content) });
}

const isToolUse = (content: ContentBlock): content is ToolUseBlock => content.type === 'tool_use' && 'input' in content;

const foreignIdOf = (content: ContentBlock): string => (isToolUse(content) ? content.id : '');

const withOwnId = (builder: StepBuilder, place: BlockPlace, content: ContentBlock): ContentBlock =>
  isToolUse(content) ? { ...content, id: nameTool(builder, content.id, place) } : content;

interface PublishedBlock {
  place: BlockPlace;
  content: ContentBlock;
  details?: Pick<BlockDetails, 'model' | 'usage'>;
  partial: boolean;
}

function publishBlock(builder: StepBuilder, block: PublishedBlock): void {
  const { messageId, parentToolUseId } = block.place;
  const { record } = builder.state;
  if (parentToolUseId === undefined && record.lastMessageId !== messageId) {
    builder.updateRecord({ lastMessageId: messageId, messageCount: record.messageCount + 1 });
  }
  blockEvent(builder, block);
}

export function blockEvent(builder: StepBuilder, { place, content, details, partial }: PublishedBlock): void {
  const { messageId, blockIndex, parentToolUseId } = place;
  builder.event(
    'assistantMessage',
    {
      type: 'assistant',
      messageId,
      blockIndex,
      content: [content],
      ...(details?.model !== undefined && { model: details.model }),
      ...(details?.usage && { usage: details.usage }),
      ...(parentToolUseId !== undefined && { parentToolUseId }),
      ...(partial && { partial: true }),
      timestamp: builder.timestamp,
    },
    { messageId },
  );
}

type ToolUseBlock = Extract<ContentBlock, { input: unknown }>;

interface NewToolUse {
  place: BlockPlace;
  content: ToolUseBlock;
  foreignId: string;
}

function onToolUse(builder: StepBuilder, { place, content, foreignId }: NewToolUse): void {
  const { id: toolId, name, input: toolInput } = content;
  const tool = { name, foreignId, since: builder.state.ticks };
  builder.update({ tools: new Map(builder.state.tools).set(toolId, tool), ...planOf({ ...content, id: foreignId }) });
  toolUseEvent(builder, place, content);
  noteTool(builder, name);
  frameToolUse(builder, { toolName: name, toolInput, status: 'running' });
}

export function toolUseEvent(
  builder: StepBuilder,
  { parentToolUseId }: Partial<BlockPlace>,
  { id, name, input }: ToolUseBlock,
) {
  builder.event('toolUse', {
    type: 'tool_use',
    toolName: name,
    toolInput: input,
    toolId: id,
    ...(parentToolUseId !== undefined && { parentToolUseId }),
    timestamp: builder.timestamp,
  });
}

function planOf({ id, name, input }: { id: string; name: string; input: unknown }): Pick<SessionState, 'plan'> {
  if (name !== 'ExitPlanMode' || typeof input !== 'object' || input === null) return {};
  return 'plan' in input && typeof input.plan === 'string' ? { plan: { toolId: id, text: input.plan } } : {};
}

type ToolUseFrame = { toolName: string; toolInput: unknown; status: 'started' | 'running' | 'done' };

const frameToolUse = (builder: StepBuilder, tool: ToolUseFrame): void =>
  builder.frame({ type: 'streamToolUse', data: { sessionId: builder.state.record.sessionId, ...tool } });

/** A block whose complete line will never come: its text so far is kept. */
export function onBlockCut(builder: StepBuilder, { block, content }: CutBlock): void {
  const isBlank = block.text.trim() === '';
  streamText(builder, block, { offset: block.text.length, text: '', isComplete: true, aborted: !isBlank });
  if (!isBlank) publishBlock(builder, { place: withOwnParent(builder.state, block), content, partial: true });
}

export function onToolResult(builder: StepBuilder, fact: Fact<'toolResult'>): void {
  const toolId = findUse(builder.state, fact.toolId);
  const tools = new Map(builder.state.tools);
  const toolName = tools.get(toolId)?.name ?? '';
  const said = withOwnParent(builder.state, fact);
  tools.delete(toolId);
  builder.update({ tools });
  const change = fact.change && shownChange(builder, fact.change);
  const { seq } = toolResultEvent(builder, { ...said, toolId, toolName, change });
  if (change) noteChange(builder, change, seq);
  frameToolUse(builder, { toolName, toolInput: {}, status: 'done' });
  if (fact.schedule && !fact.isError) onSchedule(builder, toolName, fact.schedule);
  if (fact.isError && CHANNEL_CLOSED.test(fact.text)) loseChannel(builder);
}

type SaidResult = Omit<Fact<'toolResult'>, 'kind' | 'change'> & {
  toolName: string;
  change?: ReturnType<typeof shownChange> | undefined;
};

export function toolResultEvent(
  builder: StepBuilder,
  { toolId, toolName, text, isError, change, parentToolUseId }: SaidResult,
): { seq: number } {
  return builder.event('toolResult', {
    type: 'tool_result',
    toolName,
    toolId,
    success: !isError,
    ...(isError ? { error: text } : { result: text }),
    ...(change && { change }),
    ...(parentToolUseId !== undefined && { parentToolUseId }),
    timestamp: builder.timestamp,
  });
}

/** The CLI's tool result when it could no longer ask, although the daemon is connected (2.1.197, 2.1.329). */
const CHANNEL_CLOSED = /^Tool permission request failed: .*stream closed/i;

/** Every later tool would fail too, so the child is replaced during the turn, as if interrupted. */
function loseChannel(builder: StepBuilder): void {
  const { child, turn, record } = builder.state;
  if (child.phase !== 'live' || turn?.interrupted || !record.child) return;
  builder.offLine();
  builder.updateRecord({ child: { ...record.child, cutOff: true } });
  builder.event('error', {
    sessionId: record.sessionId,
    code: 'CLAUDE_UNAVAILABLE',
    message: 'The Claude CLI can no longer ask for permission; the daemon restarts it, and the turn continues.',
  });
  endChild(builder, { restart: true });
}

// Maps the CLI's ids to tool uses: some gateways give the same id to several.

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
function nameTool(builder: StepBuilder, foreignId: string, { messageId, blockIndex }: BlockPlace): string {
  const { takenToolIds = new Set(), tools } = builder.state;
  const isFree = foreignId !== '' && !takenToolIds.has(foreignId) && !tools.has(foreignId);
  const place = JSON.stringify([builder.line?.childId, builder.line?.offset, messageId, blockIndex]);
  const toolId = isFree ? foreignId : ownId(foreignId, createHash('sha256').update(place).digest('hex'));
  builder.update({ takenToolIds: new Set([...takenToolIds, toolId]) });
  return toolId;
}

/** The tool use to which a result belongs: the oldest with this id and without a result. */
const findUse = ({ tools }: SessionState, foreignId: string): string =>
  [...tools].find(([, tool]) => tool.foreignId === foreignId)?.[0] ?? (foreignId || NAMELESS);

/** The tool use that the CLI means by this id now: the last that has it. */
export const findRunning = ({ tools }: SessionState, foreignId: string): string =>
  [...tools].findLast(([, tool]) => tool.foreignId === foreignId)?.[0] ?? foreignId;

/** Its parent is the tool use for which a subagent works. */
const withOwnParent = <Place extends { parentToolUseId?: string }>(state: SessionState, place: Place): Place =>
  place.parentToolUseId === undefined
    ? place
    : { ...place, parentToolUseId: findRunning(state, place.parentToolUseId) };
