/** What the content blocks of the CLI mean for a session: streamed text, whole blocks, tools and their results. */
import type { ContentBlock } from '../../protocol/content.js';
import type { BlockDetails, BlockPlace, CliFact, CutBlock, OpenBlock } from '../ports/claude.js';
import type { Draft } from './draft.js';
import type { SessionState } from './session-state.js';
import { beginAnswer } from './turns.js';

type Fact<Kind extends CliFact['kind']> = Extract<CliFact, { kind: Kind }>;

/** Subagents may work on in the background; only the main conversation's output means that a turn runs. */
function ensureTurnOfMain(draft: Draft, place: { parentToolUseId?: string }): void {
  if (place.parentToolUseId !== undefined) return;
  beginAnswer(draft);
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
  const { messageId, blockIndex, parentToolUseId, streamType } = block;
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
  const { place, content, details } = fact;
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
  if (content.type === 'tool_use' && 'input' in content && !aborted) onToolUse(draft, place, content);
}

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

function onToolUse(draft: Draft, place: BlockPlace, content: ContentBlock & { input?: unknown }): void {
  if (!('id' in content) || !('name' in content)) return;
  const { id: toolId, name: toolName, input: toolInput } = content;
  draft.update({ tools: new Map(draft.state.tools).set(toolId, toolName), ...planOf(content) });
  toolUseEvent(draft, place, content);
  frameToolUse(draft, { toolName, toolInput, status: 'running' });
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
  streamText(draft, block, { offset: block.text.length, text: '', isComplete: true, aborted: true });
  if (block.text !== '') sayBlock(draft, { place: block, content, partial: true });
}

export function onToolResult(draft: Draft, fact: Fact<'toolResult'>): void {
  const { toolId } = fact;
  const tools = new Map(draft.state.tools);
  const toolName = tools.get(toolId) ?? '';
  tools.delete(toolId);
  draft.update({ tools });
  toolResultEvent(draft, { ...fact, toolName });
  frameToolUse(draft, { toolName, toolInput: {}, status: 'done' });
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
