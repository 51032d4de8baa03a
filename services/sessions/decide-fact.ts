/** The meaning of the CLI's lines for a session. */
import { createHash } from 'node:crypto';
import type { PermissionId } from '../../protocol/scalars.js';
import type { BackgroundChange, CliFact, CliLine } from '../ports/claude.js';
import type { BackgroundTask, PermissionAsk, PermissionRecord } from '../ports/records.js';
import { onBlock, onBlockCut, onBlockStarted, onDelta, onToolResult } from './decide-blocks.js';
import { interruption, settle } from './dispatch.js';
import { loseOutput } from './lost-output.js';
import { addNoise, sayNotice, tellNoise } from './notices.js';
import { permissionRequestOf, resolvePermission } from './permission-requests.js';
import type { SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';
import { findRunning, forgetTakenToolIds } from './tool-ids.js';
import { beginAnswer, completeTurn, endAnswer, ensureTurn, onResult } from './turns.js';
import { cutAsk } from './whole-ask.js';

/** Handles the child's lines in order. The journal records the handled offset with them. */
export function decideLines(state: SessionState, lines: readonly CliLine[], now: number): Step {
  const builder = new StepBuilder(state, now);
  const { turn } = state;
  const childId = state.record.child?.childId;
  if (childId === undefined) return builder.finish();
  for (const line of lines) {
    builder.atLine({ childId, offset: line.offset });
    for (const fact of line.facts) onFact(builder, fact);
  }
  builder.offLine();
  settle(builder);
  forgetTakenToolIds(builder);
  tellNoise(builder, { isOver: turn?.startedAt !== builder.state.turn?.startedAt });
  const step = builder.finish();
  const last = lines.at(-1);
  return last ? withOffsets(step, last) : step;
}

/** Offsets are written only along with other changes: deltas alone cause no write. */
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

type Handlers = { [Kind in CliFact['kind']]: (builder: StepBuilder, fact: Fact<Kind>) => void };

const HANDLERS: Handlers = {
  init: onInit,
  blockStarted: onBlockStarted,
  delta: onDelta,
  block: onBlock,
  blockCut: (builder, { cut }) => onBlockCut(builder, cut),
  toolResult: onToolResult,
  promptStarted: onPromptStarted,
  promptDropped: onPromptDropped,
  permissionAsked: onPermissionAsked,
  permissionWithdrawn: onPermissionWithdrawn,
  permissionRead: onPermissionRead,
  unknownRequest: onUnknownRequest,
  initialized: onInitialized,
  result: (builder, { result }) => onResult(builder, result),
  modeChanged: onModeChanged,
  background: onBackground,
  calling: onCalling,
  progress: onProgress,
  notice: (builder, { notice }) => sayNotice(builder, notice),
  outputLost: (builder) => loseOutput(builder),
  garbage: (builder, { bytes }) => addNoise(builder, bytes),
};

type Fact<Kind extends CliFact['kind']> = Extract<CliFact, { kind: Kind }>;

function onFact(builder: StepBuilder, fact: CliFact): void {
  const handler = HANDLERS[fact.kind] as (builder: StepBuilder, fact: CliFact) => void;
  handler(builder, fact);
}

/** Begins a turn, before the API call: 2.1.197 can report nothing else on its prompt until the API responds. */
function onInit(builder: StepBuilder, { init }: Fact<'init'>): void {
  beginAnswer(builder);
  const { record } = builder.state;
  const said = JSON.stringify(init);
  if (record.lastInit === said) return;
  const { claudeSessionId, workingDirectory, model, permissionMode } = init;
  builder.clearRecord('fork');
  builder.updateRecord({ lastInit: said, claudeSessionId, model, permissionMode });
  builder.event('systemInit', {
    type: 'system',
    sessionId: record.sessionId,
    workingDirectory,
    availableTools: init.tools,
    mcpServers: init.mcpServers,
    model,
    permissionMode,
    claudeSessionId,
    timestamp: builder.timestamp,
  });
}

function onPromptStarted(builder: StepBuilder, { uuid }: Fact<'promptStarted'>): void {
  const prompt = builder.state.prompts.find((given) => given.uuid === uuid && given.state === 'dispatching');
  if (!prompt) return;
  ensureTurn(builder);
  builder.putPrompt({ ...prompt, state: 'processing' });
  if (builder.state.turn?.interrupted) builder.effect(interruption(builder.state));
}

/** The CLI has discarded a queued message, as an interrupt can do: no `result` will name it. */
function onPromptDropped(builder: StepBuilder, { uuid }: Fact<'promptDropped'>): void {
  const prompt = builder.state.prompts.find((given) => given.uuid === uuid && given.state === 'dispatching');
  if (!prompt) return;
  completeTurn(builder, [prompt], {
    subtype: 'interrupted',
    isError: true,
    finalResult: '',
    durationMs: 0,
    numTurns: 0,
  });
  if (builder.state.prompts.length === 0) endAnswer(builder);
}

function onPermissionAsked(builder: StepBuilder, { ask }: Fact<'permissionAsked'>): void {
  const { record, permissions, plan } = builder.state;
  const { sessionId, child } = record;
  if (permissions.some((known) => known.ask.requestId === ask.requestId)) return;
  const isOfPlan = ask.toolName === 'ExitPlanMode' && plan?.toolId === ask.toolUseId && !('plan' in ask.input);
  const permission: PermissionRecord = {
    permissionId: permissionIdOf(ask, builder.line),
    sessionId,
    childId: child?.childId ?? '',
    ask: { ...ask, toolUseId: findRunning(builder.state, ask.toolUseId), ...(isOfPlan && { plan: plan.text }) },
    createdAt: builder.now,
  };
  const { seq, isCut } = builder.event('permissionRequest', permissionRequestOf(permission));
  builder.putPermission(isCut ? { ...permission, ask: cutAsk(permission.ask, seq) } : permission);
}

function onPermissionWithdrawn(builder: StepBuilder, { requestId }: Fact<'permissionWithdrawn'>): void {
  const permission = builder.state.permissions.find(({ ask }) => ask.requestId === requestId);
  if (permission && permission.decision === undefined)
    resolvePermission(builder, permission, { decision: 'cancelled' });
}

function onPermissionRead(builder: StepBuilder, { requestId }: Fact<'permissionRead'>): void {
  const permission = builder.state.permissions.find(({ ask }) => ask.requestId === requestId);
  if (permission?.decision === undefined) return;
  const { answer: _, ...read } = permission;
  builder.putPermission(read);
}

/** Without an answer the CLI would wait forever. None is given in a person's name; the person is notified. */
function onUnknownRequest(builder: StepBuilder, { requestId, subtype, about }: Fact<'unknownRequest'>): void {
  builder.effect({ kind: 'refuseRequest', requestId, subtype });
  const message = `Claude Code asked for something that this daemon does not support, and was refused: ${subtype}.`;
  sayNotice(builder, {
    kind: 'unsupported_request',
    level: 'warning',
    message: about === undefined ? message : `${message} It said: ${about}`,
  });
}

/** The CLI's answer to our `initialize`: it lists the requests whose answers it has not read. */
function onInitialized(builder: StepBuilder, { pendingRequestIds }: Fact<'initialized'>): void {
  const { child } = builder.state;
  if (child.phase === 'live') builder.update({ child: { ...child, ready: true } });
  for (const { ask, answer } of builder.state.permissions) {
    if (answer && pendingRequestIds.includes(ask.requestId)) {
      builder.effect({ kind: 'answerPermission', requestId: ask.requestId, answer });
    }
  }
}

/** Recorded with the child: 2.1.197 does not tell the next daemon what still runs. */
function onBackground(builder: StepBuilder, { change }: Fact<'background'>): void {
  const background = changedTasks(builder.state.background, change);
  const { child } = builder.state.record;
  if (child) builder.updateRecord({ child: { ...child, background } });
  builder.update({ background });
}

function onCalling(builder: StepBuilder): void {
  const { turn } = builder.state;
  if (turn) builder.update({ turn: { ...turn, calling: true } });
}

function onModeChanged(builder: StepBuilder, { permissionMode }: Fact<'modeChanged'>): void {
  const { record, requestedMode } = builder.state;
  if (permissionMode !== record.permissionMode && permissionMode !== requestedMode)
    builder.updateRecord({ permissionMode });
}

function onProgress(builder: StepBuilder, { stage, message }: { stage: string; message: string }): void {
  const { sessionId } = builder.state.record;
  builder.frame({ type: 'progress', data: { sessionId, stage, message, timestamp: builder.timestamp } });
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

/** Bytes of the digest used for an id: as many as in a UUID. */
const BYTES = 16;

/**
 * The id of a permission request. The tool call's own id is unsuitable: some gateways restart their numbering with each
 * response, and an answer to one request would decide another. A request is one line of one child, so rereading that
 * line, in any daemon, gives the same id, and no other line has it.
 */
function permissionIdOf(
  { requestId }: Pick<PermissionAsk, 'requestId'>,
  line: { childId: string; offset: number } | undefined,
): PermissionId {
  const place = JSON.stringify([line?.childId, line?.offset, requestId]);
  const digest = createHash('sha256').update(place).digest().subarray(0, BYTES);
  return `perm_${digest.toString('base64url')}` as PermissionId;
}
