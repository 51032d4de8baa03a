/** What the lines of the CLI mean for a session. */

import type { ContentBlock } from '../../protocol/content.js';
import type { PermissionId } from '../../protocol/scalars.js';
import type {
  BackgroundChange,
  BackgroundTask,
  BlockDetails,
  BlockPlace,
  CliFact,
  CliInit,
  CliLine,
  CutBlock,
  OpenBlock,
} from '../ports/claude.js';
import type { PermissionAsk, PermissionRecord } from '../ports/records.js';
import { settle } from './dispatch.js';
import { Draft, type Step } from './draft.js';
import { permissionRequestOf, resolvePermission } from './permission-requests.js';
import type { SessionState } from './session-state.js';
import { completeTurn, ensureTurn, onResult } from './turns.js';

/** Lines of the child, in order. The journal remembers with them how far the output has been taken. */
export function decideLines(state: SessionState, lines: readonly CliLine[], now: number): Step {
  const draft = new Draft(state, now);
  const childId = state.record.child?.childId;
  if (childId === undefined) return draft.finish();
  for (const line of lines) {
    draft.atLine({ childId, offset: line.offset });
    for (const fact of line.facts) onFact(draft, fact);
  }
  draft.offLine();
  settle(draft);
  const step = draft.finish();
  const last = lines.at(-1);
  return last ? withOffsets(step, last) : step;
}

/** Names of tools that were used before this daemon came. */
export const nameTools = (state: SessionState, names: ReadonlyMap<string, string>): SessionState => ({
  ...state,
  tools: new Map([...state.tools, ...names]),
});

/** Offsets ride along with what is written anyway: deltas alone are no reason to write. */
function withOffsets(step: Step, { end: processed, resume }: CliLine): Step {
  const { record } = step.state;
  if (!record.child) return step;
  const moved = { ...record, child: { ...record.child, processed, resume } };
  return {
    ...step,
    state: { ...step.state, record: moved },
    change: step.change && { ...step.change, record: moved },
  };
}

function onFact(draft: Draft, fact: CliFact): void {
  switch (fact.kind) {
    case 'init':
      return onInit(draft, fact.init);
    case 'blockStarted':
      return onBlockStarted(draft, fact.block);
    case 'delta':
      ensureTurnOfMain(draft, fact.block);
      return streamText(draft, fact.block, { offset: fact.offset, text: fact.text, isComplete: false });
    case 'block':
      return onBlock(draft, fact);
    case 'blockCut':
      return onBlockCut(draft, fact.cut);
    case 'toolResult':
      return onToolResult(draft, fact);
    case 'promptStarted':
      return onPromptStarted(draft, fact.uuid);
    case 'promptDropped':
      return onPromptDropped(draft, fact.uuid);
    case 'permissionAsked':
      return onPermissionAsked(draft, fact.ask);
    case 'permissionWithdrawn':
      return onPermissionWithdrawn(draft, fact.requestId);
    case 'permissionRead':
      return onPermissionRead(draft, fact.requestId);
    case 'initialized':
      return onInitialized(draft, fact.pendingRequestIds);
    case 'result':
      return onResult(draft, fact.result);
    case 'modeChanged':
      return onModeChanged(draft, fact.permissionMode);
    case 'background':
      return draft.update({ background: changedTasks(draft.state.background, fact.change) });
    case 'progress':
      return onProgress(draft, fact.stage, fact.message);
    case 'garbage':
      return onProgress(draft, 'warning', `The Claude CLI wrote ${fact.bytes} bytes that are not its protocol.`);
  }
}

function onInit(draft: Draft, init: CliInit): void {
  ensureTurn(draft);
  const { record } = draft.state;
  const said = JSON.stringify(init);
  if (record.lastInit === said) return;
  const { claudeSessionId, workingDirectory, model, permissionMode } = init;
  draft.clearRecord('fork');
  draft.updateRecord({ lastInit: said, claudeSessionId, model, permissionMode });
  draft.event('systemInit', {
    type: 'system',
    sessionId: record.sessionId,
    workingDirectory,
    availableTools: init.tools,
    mcpServers: init.mcpServers,
    model,
    permissionMode,
    claudeSessionId,
    timestamp: isoTime(draft),
  });
}

/** Subagents may work on in the background; only the main conversation's output means that a turn runs. */
function ensureTurnOfMain(draft: Draft, place: { parentToolUseId?: string }): void {
  if (place.parentToolUseId === undefined) ensureTurn(draft);
}

function onBlockStarted(draft: Draft, block: OpenBlock): void {
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

function onBlock(draft: Draft, fact: Extract<CliFact, { kind: 'block' }>): void {
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
  details?: BlockDetails;
  partial: boolean;
}

function sayBlock(draft: Draft, { place, content, details, partial }: SaidBlock): void {
  const { messageId, blockIndex, parentToolUseId } = place;
  const { record } = draft.state;
  if (parentToolUseId === undefined && record.lastMessageId !== messageId) {
    draft.updateRecord({ lastMessageId: messageId, messageCount: record.messageCount + 1 });
  }
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
      timestamp: isoTime(draft),
    },
    messageId,
  );
}

function onToolUse(draft: Draft, place: BlockPlace, content: ContentBlock & { input?: unknown }): void {
  if (!('id' in content) || !('name' in content)) return;
  const { id: toolId, name: toolName, input: toolInput } = content;
  const { parentToolUseId } = place;
  draft.update({ tools: new Map(draft.state.tools).set(toolId, toolName) });
  draft.event('toolUse', {
    type: 'tool_use',
    toolName,
    toolInput,
    toolId,
    ...(parentToolUseId !== undefined && { parentToolUseId }),
    timestamp: isoTime(draft),
  });
  frameToolUse(draft, { toolName, toolInput, status: 'running' });
}

type ToolUseFrame = { toolName: string; toolInput: unknown; status: 'started' | 'running' | 'done' };

const frameToolUse = (draft: Draft, tool: ToolUseFrame): void =>
  draft.frame({ type: 'streamToolUse', data: { sessionId: draft.state.record.sessionId, ...tool } });

/** A block that will get no whole line: what was written of it is kept. */
export function onBlockCut(draft: Draft, { block, content }: CutBlock): void {
  streamText(draft, block, { offset: block.text.length, text: '', isComplete: true, aborted: true });
  if (block.text !== '') sayBlock(draft, { place: block, content, partial: true });
}

function onToolResult(draft: Draft, fact: Extract<CliFact, { kind: 'toolResult' }>): void {
  const { toolId, text, isError, parentToolUseId } = fact;
  const tools = new Map(draft.state.tools);
  const toolName = tools.get(toolId) ?? '';
  tools.delete(toolId);
  draft.update({ tools });
  draft.event('toolResult', {
    type: 'tool_result',
    toolName,
    toolId,
    success: !isError,
    ...(isError ? { error: text } : { result: text }),
    ...(parentToolUseId !== undefined && { parentToolUseId }),
    timestamp: isoTime(draft),
  });
  frameToolUse(draft, { toolName, toolInput: {}, status: 'done' });
}

function onPromptStarted(draft: Draft, uuid: string): void {
  const prompt = draft.state.prompts.find((given) => given.uuid === uuid && given.state === 'dispatching');
  if (!prompt) return;
  ensureTurn(draft);
  draft.putPrompt({ ...prompt, state: 'processing' });
  if (draft.state.turn?.interrupted) draft.effect({ kind: 'interrupt' });
}

/** The CLI has thrown a queued message away, as an interrupt may do: no `result` will name it. */
function onPromptDropped(draft: Draft, uuid: string): void {
  const prompt = draft.state.prompts.find((given) => given.uuid === uuid && given.state === 'dispatching');
  if (!prompt) return;
  completeTurn(draft, [prompt], { subtype: 'interrupted', isError: true, finalResult: '', durationMs: 0, numTurns: 0 });
  draft.update({ turn: draft.state.prompts.length > 0 ? draft.state.turn : null });
}

function onPermissionAsked(draft: Draft, ask: PermissionAsk): void {
  const { record, permissions } = draft.state;
  const { sessionId, child } = record;
  if (permissions.some((known) => known.ask.requestId === ask.requestId)) return;
  const taken = permissions.some(({ permissionId }) => permissionId === ask.toolUseId);
  const permissionId = (taken ? `${ask.toolUseId}.${ask.requestId}` : ask.toolUseId) as PermissionId;
  const permission: PermissionRecord = {
    permissionId,
    sessionId,
    childId: child?.childId ?? '',
    ask,
    createdAt: draft.now,
  };
  draft.putPermission(permission);
  draft.event('permissionRequest', permissionRequestOf(permission));
}

function onPermissionWithdrawn(draft: Draft, requestId: string): void {
  const permission = draft.state.permissions.find(({ ask }) => ask.requestId === requestId);
  if (permission && permission.decision === undefined) resolvePermission(draft, permission, { decision: 'cancelled' });
}

function onPermissionRead(draft: Draft, requestId: string): void {
  const permission = draft.state.permissions.find(({ ask }) => ask.requestId === requestId);
  if (permission?.decision === undefined) return;
  const { answer: _, ...read } = permission;
  draft.putPermission(read);
}

/** The CLI's answer to our `initialize`: it lists the requests for which it has not read an answer. */
function onInitialized(draft: Draft, pendingRequestIds: string[]): void {
  const { child } = draft.state;
  if (child.phase === 'live') draft.update({ child: { ...child, ready: true } });
  for (const { ask, answer } of draft.state.permissions) {
    if (answer && pendingRequestIds.includes(ask.requestId)) {
      draft.effect({ kind: 'answerPermission', requestId: ask.requestId, answer });
    }
  }
}

function onModeChanged(draft: Draft, permissionMode: string): void {
  const { record, requestedMode } = draft.state;
  if (permissionMode !== record.permissionMode && permissionMode !== requestedMode)
    draft.updateRecord({ permissionMode });
}

function onProgress(draft: Draft, stage: string, message: string): void {
  const { sessionId } = draft.state.record;
  draft.frame({ type: 'progress', data: { sessionId, stage, message, timestamp: isoTime(draft) } });
}

function changedTasks(tasks: readonly BackgroundTask[], change: BackgroundChange): readonly BackgroundTask[] {
  switch (change.kind) {
    case 'all':
      return change.tasks;
    case 'added':
      return [...tasks.filter(({ taskId }) => taskId !== change.task.taskId), change.task];
    case 'removed':
      return tasks.filter(({ taskId }) => taskId !== change.taskId);
  }
}

const isoTime = (draft: Draft): string => new Date(draft.now).toISOString();
