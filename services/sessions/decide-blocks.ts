/** What the content blocks of the CLI mean for a session: streamed text, whole blocks, tools and their results. */
import type { ContentBlock } from '../../protocol/content.js';
import type { BlockDetails, BlockPlace, CliFact, CutBlock, OpenBlock } from '../ports/claude.js';
import { endChild } from './dispatch.js';
import type { Draft } from './draft.js';
import type { SessionState } from './session-state.js';
import { findUse, nameTool, withOwnParent } from './tool-ids.js';
import { beginAnswer } from './turns.js';

type Fact<Kind extends CliFact['kind']> = Extract<CliFact, { kind: Kind }>;

/** Subagents may work on in the background; only the main conversation's output means that a turn runs. */
function ensureTurnOfMain(draft: Draft, place: { parentToolUseId?: string }): void {
  if (place.parentToolUseId !== undefined) return;
  beginAnswer(draft);
  const { turn } = draft.state;
  if (turn?.calling) draft.update({ turn: { ...turn, calling: false } });
}

export function onBlockStarted(draft: Draft, { block }: Fact<'blockStarted'>): void {
  ensureTurnOfMain(draft, block);
  if (block.tool) frameToolUse(draft, { toolName: block.tool.name, toolInput: {}, status: 'started' });
}

interface TextPiece {
  offset: number;
  text: string;
  isComplete: boolean;
  aborted?: boolean;
}

function streamText(draft: Draft, block: BlockPlace & Pick<OpenBlock, 'streamType'>, piece: TextPiece): void {
  const { messageId, blockIndex, parentToolUseId, streamType } = withOwnParent(draft.state, block);
  draft.frame({
    type: 'streamData',
    data: {
      sessionId: draft.state.record.sessionId,
      streamType,
      content: { type: 'text', text: piece.text },
      messageId,
      blockIndex,
      offset: piece.offset,
      isComplete: piece.isComplete,
      ...(parentToolUseId !== undefined && { parentToolUseId }),
      ...(piece.aborted && { aborted: true }),
    },
  });
}

export function onDelta(draft: Draft, { block, offset, text }: Fact<'delta'>): void {
  ensureTurnOfMain(draft, block);
  streamText(draft, block, { offset, text, isComplete: false });
}

export function onBlock(draft: Draft, fact: Fact<'block'>): void {
  const { details } = fact;
  const place = withOwnParent(draft.state, fact.place);
  const content = withOwnId(draft, place, fact.content);
  ensureTurnOfMain(draft, place);
  if (details.apiError !== undefined && draft.state.turn)
    draft.update({ turn: { ...draft.state.turn, apiError: true } });
  const aborted = details.aborted;
  if (details.streamedLength !== undefined) {
    streamText(
      draft,
      { ...place, streamType: details.streamType },
      {
        offset: details.streamedLength,
        text: '',
        isComplete: true,
        ...(aborted && { aborted }),
      },
    );
  }
  sayBlock(draft, { place, content, details, partial: aborted || (draft.state.turn?.interrupted ?? false) });
  if (isToolUse(content) && !aborted) onToolUse(draft, { place, content, foreignId: foreignIdOf(fact.content) });
}

const isToolUse = (content: ContentBlock): content is ToolUseBlock => content.type === 'tool_use' && 'input' in content;

const foreignIdOf = (content: ContentBlock): string => (isToolUse(content) ? content.id : '');

const withOwnId = (draft: Draft, place: BlockPlace, content: ContentBlock): ContentBlock =>
  isToolUse(content) ? { ...content, id: nameTool(draft, content.id, place) } : content;

interface SaidBlock {
  place: BlockPlace;
  content: ContentBlock;
  details?: Pick<BlockDetails, 'model' | 'usage'>;
  partial: boolean;
}

function sayBlock(draft: Draft, said: SaidBlock): void {
  const { messageId, parentToolUseId } = said.place;
  const { record } = draft.state;
  if (parentToolUseId === undefined && record.lastMessageId !== messageId) {
    draft.updateRecord({ lastMessageId: messageId, messageCount: record.messageCount + 1 });
  }
  blockEvent(draft, said);
}

export function blockEvent(draft: Draft, { place, content, details, partial }: SaidBlock): void {
  const { messageId, blockIndex, parentToolUseId } = place;
  draft.event(
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
      timestamp: draft.timestamp,
    },
    messageId,
  );
}

type ToolUseBlock = Extract<ContentBlock, { input: unknown }>;

interface NewToolUse {
  place: BlockPlace;
  content: ToolUseBlock;
  foreignId: string;
}

function onToolUse(draft: Draft, { place, content, foreignId }: NewToolUse): void {
  const { id: toolId, name, input: toolInput } = content;
  const tool = { name, foreignId, since: draft.state.ticks };
  draft.update({ tools: new Map(draft.state.tools).set(toolId, tool), ...planOf({ ...content, id: foreignId }) });
  toolUseEvent(draft, place, content);
  frameToolUse(draft, { toolName: name, toolInput, status: 'running' });
}

export function toolUseEvent(
  draft: Draft,
  { parentToolUseId }: Partial<BlockPlace>,
  { id, name, input }: ToolUseBlock,
) {
  draft.event('toolUse', {
    type: 'tool_use',
    toolName: name,
    toolInput: input,
    toolId: id,
    ...(parentToolUseId !== undefined && { parentToolUseId }),
    timestamp: draft.timestamp,
  });
}

function planOf({ id, name, input }: { id: string; name: string; input: unknown }): Pick<SessionState, 'plan'> {
  if (name !== 'ExitPlanMode' || typeof input !== 'object' || input === null) return {};
  return 'plan' in input && typeof input.plan === 'string' ? { plan: { toolId: id, text: input.plan } } : {};
}

type ToolUseFrame = { toolName: string; toolInput: unknown; status: 'started' | 'running' | 'done' };

const frameToolUse = (draft: Draft, tool: ToolUseFrame): void =>
  draft.frame({ type: 'streamToolUse', data: { sessionId: draft.state.record.sessionId, ...tool } });

/** A block that will get no whole line: what was written of it is kept. */
export function onBlockCut(draft: Draft, { block, content }: CutBlock): void {
  const isBlank = block.text.trim() === '';
  streamText(draft, block, { offset: block.text.length, text: '', isComplete: true, aborted: !isBlank });
  if (!isBlank) sayBlock(draft, { place: withOwnParent(draft.state, block), content, partial: true });
}

export function onToolResult(draft: Draft, fact: Fact<'toolResult'>): void {
  const toolId = findUse(draft.state, fact.toolId);
  const tools = new Map(draft.state.tools);
  const toolName = tools.get(toolId)?.name ?? '';
  const said = withOwnParent(draft.state, fact);
  tools.delete(toolId);
  draft.update({ tools });
  toolResultEvent(draft, { ...said, toolId, toolName });
  frameToolUse(draft, { toolName, toolInput: {}, status: 'done' });
  if (fact.isError && CHANNEL_CLOSED.test(fact.text)) loseChannel(draft);
}

type SaidResult = Omit<Fact<'toolResult'>, 'kind'> & { toolName: string };

export function toolResultEvent(draft: Draft, { toolId, toolName, text, isError, parentToolUseId }: SaidResult): void {
  draft.event('toolResult', {
    type: 'tool_result',
    toolName,
    toolId,
    success: !isError,
    ...(isError ? { error: text } : { result: text }),
    ...(parentToolUseId !== undefined && { parentToolUseId }),
    timestamp: draft.timestamp,
  });
}

/** What the CLI makes of a tool for which it could not ask any more, though the one who answers is there (2.1.197, 2.1.329). */
const CHANNEL_CLOSED = /^Tool permission request failed: .*stream closed/i;

/** Each further tool would fail alike, so the child is replaced in the middle of its turn. An interrupt has the same effect, and is none. */
function loseChannel(draft: Draft): void {
  const { child, turn, record } = draft.state;
  if (child.phase !== 'live' || turn?.interrupted || !record.child) return;
  draft.offLine();
  draft.updateRecord({ child: { ...record.child, cutOff: true } });
  draft.event('error', {
    sessionId: record.sessionId,
    code: 'CLAUDE_UNAVAILABLE',
    message: 'Claude could not ask for permission any more: it is started again and goes on.',
  });
  endChild(draft, { restart: true });
}
