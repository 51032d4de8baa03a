/** How turns begin and end. */
import { MAX_FINAL_RESULT_BYTES } from '../../../protocol/limits.js';
import { saysUsedUp, USAGE_LIMIT } from '../../model/usage-limits.js';
import type { TurnResult } from '../../ports/claude.js';
import type { PromptOutcome, PromptRecord } from '../../ports/records.js';
import { awaitReset, stopWaiting } from './auto-continue.js';
import { forgetDue } from './background.js';
import { countTurn } from './budgets.js';
import { followCommands } from './cli-commands.js';
import { tellLabels } from './session-labels.js';
import { givenPrompts, type Turn } from './session-state.js';
import type { StepBuilder } from './step-builder.js';

import { oweDiff, owedChanges } from './turn-changes.js';

import { withTurn } from './turn-totals.js';
import { endRefusal, knownReset } from './usage-limits.js';

/** The subtype of a turn whose output was not completely stored. */
export const OUTPUT_LOST = 'storage_full';

/** How a prompt ends that a person stopped before the CLI had worked on it. */
export const INTERRUPTED: PromptOutcome = {
  subtype: 'interrupted',
  isError: true,
  finalResult: '',
  durationMs: 0,
  numTurns: 0,
};

export const newTurn = (startedAt: number): Turn => ({
  startedAt,
  interrupted: false,
  answering: false,
  calling: false,
  apiError: false,
  outputLost: false,
});

/** The CLI is working: if the daemon did not ask for it, the CLI began a turn by itself. */
export function ensureTurn(builder: StepBuilder): void {
  if (!builder.state.turn) beginTurn(builder);
}

export function beginTurn(builder: StepBuilder): void {
  builder.update({ turn: newTurn(builder.state.ticks) });
  builder.updateRecord({ turnBegan: builder.now });
  builder.effect({ kind: 'noteFiles', at: builder.now });
}

/** The CLI is working on the turn's prompt. That is recorded: no other child can be given it, whatever dies. */
export function beginAnswer(builder: StepBuilder): void {
  ensureTurn(builder);
  const { turn, record } = builder.state;
  if (!turn || turn.answering) return;
  builder.update({ turn: { ...turn, answering: true } });
  if (record.child) builder.updateRecord({ child: { ...record.child, answering: true } });
}

/** The turn is over: the next begins now, if its prompt was already given. */
export function endAnswer(builder: StepBuilder): void {
  const { child } = builder.state.record;
  if (child?.answering || child?.interrupted) {
    builder.updateRecord({ child: { ...child, answering: false, interrupted: false } });
  }
  builder.update({ turn: null });
  if (givenPrompts(builder.state).length > 0) beginTurn(builder);
}

/** How a turn ended, and what it may have changed. */
type Ending = Omit<PromptOutcome, 'diff' | 'endSeq'> & ReturnType<typeof owedChanges>;

/** Publishes the end of a turn once, for all its prompts: the first is its own, the others steered it. */
export function completeTurn(builder: StepBuilder, prompts: PromptRecord[], ending: Ending): void {
  const [main, ...steered] = [...prompts].sort(byMode);
  const { changes, ...outcome } = ending;
  const { subtype, isError, resetsAt } = outcome;
  const finalResult = lastBytes(outcome.finalResult, MAX_FINAL_RESULT_BYTES);
  const { seq: endSeq } = builder.event('streamComplete', {
    sessionId: builder.state.record.sessionId,
    ...(main && { promptId: main.promptId }),
    ...(steered.length > 0 && { steered: steered.map(({ promptId }) => promptId) }),
    finalResult,
    subtype,
    isError,
    duration: outcome.durationMs,
    ...(outcome.cost !== undefined && { cost: outcome.cost }),
    ...(outcome.usage && { usage: outcome.usage }),
    numTurns: outcome.numTurns,
    ...(resetsAt !== undefined && { resetsAt: new Date(resetsAt).toISOString() }),
    ...(finalResult.length < outcome.finalResult.length && { truncated: true }),
  });
  countTurn(builder, outcome);
  const state = subtype === 'interrupted' ? 'cancelled' : isError ? 'failed' : 'completed';
  for (const prompt of prompts) builder.putPrompt({ ...prompt, state, outcome: { ...outcome, endSeq } });
  if (main) builder.updateRecord({ lastEnd: { promptId: main.promptId, state, subtype, at: builder.now } });
  const promptIds = [main, ...steered].flatMap((prompt) => prompt?.promptId ?? []);
  if (changes) oweDiff(builder, { ...changes, prompts: promptIds });
}

const byMode = (a: PromptRecord, b: PromptRecord) => Number(a.mode === 'steer') - Number(b.mode === 'steer');

/** The end of a text, cut at a character, in bytes of UTF-8. */
function lastBytes(text: string, max: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= max) return text;
  let from = bytes.length - max;
  while (((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1;
  return bytes.subarray(from).toString('utf8');
}

/** A `result` line: the running turn is over. */
export function onResult(builder: StepBuilder, result: TurnResult): void {
  const { record, turn } = builder.state;
  const cost = turnCost(builder, result);
  if (cost !== undefined) builder.updateRecord({ totalCost: record.totalCost + cost });
  builder.updateRecord({ totals: withTurn(record.totals, result.usage) });
  const prompts = promptsOf(builder, result);
  const subtype = subtypeOf(result, turn);
  const resetsAt = subtype === USAGE_LIMIT ? knownReset(builder) : undefined;
  if (!result.isError) endRefusal(builder);
  completeTurn(builder, prompts, {
    subtype,
    isError: result.isError || subtype === OUTPUT_LOST,
    finalResult: result.finalResult,
    durationMs: result.durationMs,
    numTurns: result.numTurns,
    ...(resetsAt !== undefined && { resetsAt }),
    ...owedChanges(builder),
    ...(cost !== undefined && { cost }),
    ...(result.usage && { usage: result.usage }),
  });
  if (subtype === USAGE_LIMIT) awaitReset(builder, resetsAt);
  else stopWaiting(builder);
  followCommands(builder, prompts, result.finalResult);
  tellLabels(builder);
  // The turn of a child that is being ended ends for that reason, which is no proof of health.
  if (builder.state.child.phase === 'live') builder.update({ failures: [] });
  forgetDue(builder);
  endAnswer(builder);
}

/** The CLI's cost is cumulative over the child's life; a turn's cost is the increase since the last one. */
function turnCost(builder: StepBuilder, { totalCost }: TurnResult): number | undefined {
  const { child } = builder.state.record;
  if (totalCost === undefined || !child) return undefined;
  builder.updateRecord({ child: { ...child, costBase: totalCost } });
  return Math.max(0, totalCost - Math.min(child.costBase, totalCost));
}

function subtypeOf(result: TurnResult, turn: Turn | null): string {
  if (turn?.outputLost) return OUTPUT_LOST;
  if (result.aborted && turn?.interrupted) return 'interrupted';
  if (result.isError && (result.usedUp || saysUsedUp(result.finalResult))) return USAGE_LIMIT;
  if (result.isError && (result.apiError || turn?.apiError)) return 'api_error';
  return turn?.interrupted && result.subtype === 'error_during_execution' ? 'interrupted' : result.subtype;
}

/**
 * The prompts of the turn that ended: those named by the CLI (2.1.329), else those whose start it reported. A given but
 * unacknowledged prompt counts only when nothing else can and the CLI did not begin the turn by itself.
 */
function promptsOf(builder: StepBuilder, { messageUuids, spontaneous }: TurnResult): PromptRecord[] {
  const given = givenPrompts(builder.state);
  const named = given.filter(({ uuid, state }) => messageUuids?.includes(uuid) || state === 'processing');
  if (named.length > 0 || spontaneous) return named;
  return given.slice(0, 1);
}
