/** What the lines of the CLI mean for a session. */

import type { BackgroundChange, CliFact, CliLine } from '../ports/claude.js';
import type { BackgroundTask, PermissionRecord } from '../ports/records.js';
import { onBlock, onBlockCut, onBlockStarted, onDelta, onToolResult } from './decide-blocks.js';
import { interruption, settle } from './dispatch.js';
import { Draft, type Step } from './draft.js';
import { loseOutput } from './lost-output.js';
import { addNoise, sayNotice, tellNoise } from './notices.js';
import { permissionIdOf } from './permission-id.js';
import { permissionRequestOf, resolvePermission } from './permission-requests.js';
import type { SessionState } from './session-state.js';
import { findRunning, forgetTakenToolIds } from './tool-ids.js';
import { beginAnswer, completeTurn, endAnswer, ensureTurn, onResult } from './turns.js';
import { cutAsk } from './whole-ask.js';

/** Lines of the child, in order. The journal remembers with them how far the output has been taken. */
export function decideLines(state: SessionState, lines: readonly CliLine[], now: number): Step {
  const draft = new Draft(state, now);
  const { turn } = state;
  const childId = state.record.child?.childId;
  if (childId === undefined) return draft.finish();
  for (const line of lines) {
    draft.atLine({ childId, offset: line.offset });
    for (const fact of line.facts) onFact(draft, fact);
  }
  draft.offLine();
  settle(draft);
  forgetTakenToolIds(draft);
  tellNoise(draft, { isOver: turn?.startedAt !== draft.state.turn?.startedAt });
  const step = draft.finish();
  const last = lines.at(-1);
  return last ? withOffsets(step, last) : step;
}

/** Offsets ride along with what is written anyway: deltas alone are no reason to write. */
function withOffsets(step: Step, { end: processed, resume }: CliLine): Step {
  const { record } = step.state;
  if (!record.child || !step.change) return step;
  const moved = { ...record, child: { ...record.child, processed, resume } };
  return {
    ...step,
    state: { ...step.state, record: moved },
    change: { ...step.change, record: moved },
  };
}

type Handlers = { [Kind in CliFact['kind']]: (draft: Draft, fact: Fact<Kind>) => void };

const HANDLERS: Handlers = {
  init: onInit,
  blockStarted: onBlockStarted,
  delta: onDelta,
  block: onBlock,
  blockCut: (draft, { cut }) => onBlockCut(draft, cut),
  toolResult: onToolResult,
  promptStarted: onPromptStarted,
  promptDropped: onPromptDropped,
  permissionAsked: onPermissionAsked,
  permissionWithdrawn: onPermissionWithdrawn,
  permissionRead: onPermissionRead,
  unknownRequest: onUnknownRequest,
  initialized: onInitialized,
  result: (draft, { result }) => onResult(draft, result),
  modeChanged: onModeChanged,
  background: onBackground,
  calling: onCalling,
  progress: onProgress,
  notice: (draft, { notice }) => sayNotice(draft, notice),
  outputLost: (draft) => loseOutput(draft),
  garbage: (draft, { bytes }) => addNoise(draft, bytes),
};

type Fact<Kind extends CliFact['kind']> = Extract<CliFact, { kind: Kind }>;

function onFact(draft: Draft, fact: CliFact): void {
  const handler = HANDLERS[fact.kind] as (draft: Draft, fact: CliFact) => void;
  handler(draft, fact);
}

/** Comes as a turn begins, before the API is asked: 2.1.197 may say nothing else of its prompt for as long as the API takes. */
function onInit(draft: Draft, { init }: Fact<'init'>): void {
  beginAnswer(draft);
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
    timestamp: draft.timestamp,
  });
}

function onPromptStarted(draft: Draft, { uuid }: Fact<'promptStarted'>): void {
  const prompt = draft.state.prompts.find((given) => given.uuid === uuid && given.state === 'dispatching');
  if (!prompt) return;
  ensureTurn(draft);
  draft.putPrompt({ ...prompt, state: 'processing' });
  if (draft.state.turn?.interrupted) draft.effect(interruption(draft.state));
}

/** The CLI has thrown a queued message away, as an interrupt may do: no `result` will name it. */
function onPromptDropped(draft: Draft, { uuid }: Fact<'promptDropped'>): void {
  const prompt = draft.state.prompts.find((given) => given.uuid === uuid && given.state === 'dispatching');
  if (!prompt) return;
  completeTurn(draft, [prompt], { subtype: 'interrupted', isError: true, finalResult: '', durationMs: 0, numTurns: 0 });
  if (draft.state.prompts.length === 0) endAnswer(draft);
}

function onPermissionAsked(draft: Draft, { ask }: Fact<'permissionAsked'>): void {
  const { record, permissions, plan } = draft.state;
  const { sessionId, child } = record;
  if (permissions.some((known) => known.ask.requestId === ask.requestId)) return;
  const isOfPlan = ask.toolName === 'ExitPlanMode' && plan?.toolId === ask.toolUseId && !('plan' in ask.input);
  const permission: PermissionRecord = {
    permissionId: permissionIdOf(ask, draft.line),
    sessionId,
    childId: child?.childId ?? '',
    ask: { ...ask, toolUseId: findRunning(draft.state, ask.toolUseId), ...(isOfPlan && { plan: plan.text }) },
    createdAt: draft.now,
  };
  const { seq, isCut } = draft.event('permissionRequest', permissionRequestOf(permission));
  draft.putPermission(isCut ? { ...permission, ask: cutAsk(permission.ask, seq) } : permission);
}

function onPermissionWithdrawn(draft: Draft, { requestId }: Fact<'permissionWithdrawn'>): void {
  const permission = draft.state.permissions.find(({ ask }) => ask.requestId === requestId);
  if (permission && permission.decision === undefined) resolvePermission(draft, permission, { decision: 'cancelled' });
}

function onPermissionRead(draft: Draft, { requestId }: Fact<'permissionRead'>): void {
  const permission = draft.state.permissions.find(({ ask }) => ask.requestId === requestId);
  if (permission?.decision === undefined) return;
  const { answer: _, ...read } = permission;
  draft.putPermission(read);
}

/** Without an answer the CLI would wait for ever. None is given in a person's name: they are told instead. */
function onUnknownRequest(draft: Draft, { requestId, subtype, about }: Fact<'unknownRequest'>): void {
  draft.effect({ kind: 'refuseRequest', requestId, subtype });
  const message = `Claude Code asked for something that this daemon does not support, and was refused: ${subtype}.`;
  sayNotice(draft, {
    kind: 'unsupported_request',
    level: 'warning',
    message: about === undefined ? message : `${message} It said: ${about}`,
  });
}

/** The CLI's answer to our `initialize`: it lists the requests for which it has not read an answer. */
function onInitialized(draft: Draft, { pendingRequestIds }: Fact<'initialized'>): void {
  const { child } = draft.state;
  if (child.phase === 'live') draft.update({ child: { ...child, ready: true } });
  for (const { ask, answer } of draft.state.permissions) {
    if (answer && pendingRequestIds.includes(ask.requestId)) {
      draft.effect({ kind: 'answerPermission', requestId: ask.requestId, answer });
    }
  }
}

/** Kept with the child: 2.1.197 does not tell the next daemon what still runs. */
function onBackground(draft: Draft, { change }: Fact<'background'>): void {
  const background = changedTasks(draft.state.background, change);
  const { child } = draft.state.record;
  if (child) draft.updateRecord({ child: { ...child, background } });
  draft.update({ background });
}

function onCalling(draft: Draft): void {
  const { turn } = draft.state;
  if (turn) draft.update({ turn: { ...turn, calling: true } });
}

function onModeChanged(draft: Draft, { permissionMode }: Fact<'modeChanged'>): void {
  const { record, requestedMode } = draft.state;
  if (permissionMode !== record.permissionMode && permissionMode !== requestedMode)
    draft.updateRecord({ permissionMode });
}

function onProgress(draft: Draft, { stage, message }: { stage: string; message: string }): void {
  const { sessionId } = draft.state.record;
  draft.frame({ type: 'progress', data: { sessionId, stage, message, timestamp: draft.timestamp } });
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
