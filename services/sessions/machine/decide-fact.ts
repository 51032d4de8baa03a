/** The meaning of the CLI's lines for a session. */
import type { ClaudeSessionId } from '../../../protocol/scalars.js';
import type { CliFact, CliLine, CliNotice } from '../../ports/claude.js';
import { onBackground } from './background.js';
import {
  cancelElicitations,
  compareTasks,
  onElicitationCompleted,
  onInitialized,
  onPermissionAsked,
  onPermissionRead,
  onPermissionWithdrawn,
} from './decide-asks.js';
import {
  findRunning,
  forgetTakenToolIds,
  onBlock,
  onBlockCut,
  onBlockStarted,
  onDelta,
  onToolResult,
} from './decide-blocks.js';
import { interruption, loseOutput, settle } from './dispatch.js';
import { addNoise, sayNotice, tellNoise } from './notices.js';
import { keepTag, onTitled } from './session-labels.js';
import { givenPrompts, type SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';
import { beginAnswer, completeTurn, endAnswer, ensureTurn, INTERRUPTED, onResult } from './turns.js';
import { noteLimits, onRefusedForNow } from './usage-limits.js';

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
  elicitationCompleted: onElicitationCompleted,
  unknownRequest: onUnknownRequest,
  initialized: onReady,
  result: onTurnEnded,
  modeChanged: onModeChanged,
  titled: onTitled,
  background: onTasks,
  calling: onCalling,
  progress: onProgress,
  suggestion: onSuggestion,
  notice: (builder, { notice }) => sayNotice(builder, notice),
  outputLost: onOutputMissing,
  limit: (builder, { limit }) => noteLimits(builder, limit),
  refusedForNow: onRefusedForNow,
  garbage: (builder, { bytes }) => addNoise(builder, bytes),
};

type Fact<Kind extends CliFact['kind']> = Extract<CliFact, { kind: Kind }>;

function onFact(builder: StepBuilder, fact: CliFact): void {
  const handler = HANDLERS[fact.kind] as (builder: StepBuilder, fact: CliFact) => void;
  handler(builder, fact);
}

/** Begins a turn, before the API call: 2.1.197 can report nothing else on its prompt until the API responds. */
function onInit(builder: StepBuilder, { init, unsaid }: Fact<'init'>): void {
  const begins = !builder.state.turn?.answering;
  beginAnswer(builder);
  // 2.1.197 forgets an interrupt that comes before the turn begins, while it waits for its MCP servers.
  if (begins && builder.state.turn?.interrupted) builder.effect(interruption(builder.state));
  followConversation(builder, init.claudeSessionId, unsaid);
  const { record } = builder.state;
  const said = JSON.stringify(init);
  if (record.lastInit === said) return;
  const { claudeSessionId, workingDirectory, model, permissionMode } = init;
  if (claudeSessionId !== record.claudeSessionId) keepTag(builder);
  builder.clearRecord('fork', 'resumeAt');
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

/** A child that goes on in another conversation has cleared its own (`/clear`). */
function followConversation(builder: StepBuilder, conversation: ClaudeSessionId, unsaid: CliNotice | undefined): void {
  const { child } = builder.state.record;
  if (!child || child.conversation === conversation) return;
  if (child.conversation !== undefined && unsaid) sayNotice(builder, unsaid);
  builder.updateRecord({ child: { ...child, conversation } });
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
  completeTurn(builder, [prompt], INTERRUPTED);
  if (builder.state.prompts.length === 0) endAnswer(builder);
}

function onTurnEnded(builder: StepBuilder, { result }: Fact<'result'>): void {
  if (builder.state.turn?.interrupted) cancelElicitations(builder);
  onResult(builder, result);
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

/** What an idle child could not write to a full disk costs the next turn nothing: its only prompt has not begun. */
function onOutputMissing(builder: StepBuilder, { isEarlier }: Fact<'outputLost'>): void {
  const { turn } = builder.state;
  const [prompt, ...others] = givenPrompts(builder.state);
  const isUntouched = isEarlier && prompt?.state === 'dispatching' && others.length === 0 && !turn?.answering;
  if (!isUntouched) loseOutput(builder);
}

function onTasks(builder: StepBuilder, fact: Fact<'background'>): void {
  compareTasks(builder, fact.change);
  onBackground(builder, fact);
}

/** The CLI's answer to our `initialize`. */
function onReady(builder: StepBuilder, fact: Fact<'initialized'>): void {
  const { account } = fact;
  const { record } = builder.state;
  if (account && JSON.stringify(account) !== JSON.stringify(record.account)) builder.updateRecord({ account });
  onInitialized(builder, fact);
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

function onProgress(builder: StepBuilder, { stage, message, parentToolUseId }: Fact<'progress'>): void {
  const { sessionId } = builder.state.record;
  const data = { sessionId, stage, message, timestamp: builder.timestamp };
  const parent = parentToolUseId === undefined ? {} : { parentToolUseId: findRunning(builder.state, parentToolUseId) };
  builder.frame({ type: 'progress', data: { ...data, ...parent } });
}

function onSuggestion(builder: StepBuilder, { text }: Fact<'suggestion'>): void {
  const { sessionId } = builder.state.record;
  builder.frame({ type: 'promptSuggestion', data: { sessionId, text } });
}

/**
 * Decides on the child's lines in one step. A line that triggers a bug in this daemon counts as garbage; the lines
 * beside it and the session are not affected. Throws only for garbage.
 */
export function decideReadable(
  state: SessionState,
  lines: readonly CliLine[],
  { now, onFault }: { now: number; onFault: (error: unknown) => void },
): Step {
  try {
    return decideLines(state, lines, now);
  } catch {
    // The lines are tried one by one, where each error is reported.
    return decideLines(state, withoutFaults(state, lines, { now, onFault }), now);
  }
}

type Basis = Parameters<typeof decideReadable>[2];

function withoutFaults(state: SessionState, lines: readonly CliLine[], { now, onFault }: Basis): CliLine[] {
  let before = state;
  return lines.map((line) => {
    try {
      before = decideLines(before, [line], now).state;
      return line;
    } catch (error) {
      onFault(error);
      return { ...line, facts: [{ kind: 'garbage', bytes: line.end - line.offset - 1 }] };
    }
  });
}
