/** Commands of people on the prompts that wait. Each throws `CompanionError` when impossible, and changes nothing. */
import { CompanionError, invalid } from '../../../protocol/error-codes.js';
import type { PromptId } from '../../../protocol/scalars.js';
import type { KeptContents, PromptRecord } from '../../ports/records.js';
import { requireBudget } from './budgets.js';
import { dropPrompt, settle } from './dispatch.js';
import { givenPrompts, queuedPrompts, type SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';
import { completeTurn, INTERRUPTED } from './turns.js';

const WAITS = 'must be a prompt that waits and that no CLI was given yet';

/** The waiting prompt that a person can change. Throws `CONFLICT`. */
export function requireEditable({ prompts }: SessionState, promptId: PromptId): PromptRecord {
  const prompt = prompts.find((one) => one.promptId === promptId);
  if (prompt?.state === 'queued' && !prompt.announced && prompt.mode !== 'resume') return prompt;
  throw notWaiting(promptId, prompts);
}

function notWaiting(promptId: PromptId, prompts: readonly PromptRecord[]): CompanionError {
  const isOpen = prompts.some((one) => one.promptId === promptId);
  const message = isOpen ? 'The prompt has already begun.' : 'The prompt has already ended.';
  return new CompanionError('CONFLICT', message, { field: 'promptId', rule: WAITS });
}

/** Replaces the text of a waiting prompt; it keeps its place, its request id and its attachments. */
export function editPrompt(
  state: SessionState,
  { promptId, text, body }: KeptContents & { promptId: PromptId },
  now: number,
): Step {
  const builder = new StepBuilder(state, now);
  const { body: _, ...prompt } = requireEditable(state, promptId);
  builder.putPrompt({ ...prompt, text, ...(body && { body }) });
  builder.updateRecord({ updatedAt: now });
  return builder.finish();
}

/** The new text of a prompt. */
export interface Edit {
  promptId: PromptId;
  text: string;
}

export interface Move {
  promptId: PromptId;
  /** Undefined: it goes last. */
  before?: PromptId | undefined;
}

/** Changes the running order. `position`: how many prompts are ahead of it then, including the running one. */
export function movePrompt(state: SessionState, { promptId, before }: Move, now: number) {
  const builder = new StepBuilder(state, now);
  const queued = queuedPrompts(state);
  const movable = queued.filter(({ mode }) => mode !== 'resume');
  const moved = movable.find((one) => one.promptId === promptId);
  if (!moved) throw notWaiting(promptId, state.prompts);
  const others = queued.filter((one) => one !== moved);
  const at = before === undefined ? others.length : others.findIndex((one) => one.promptId === before);
  if (at < 0 || others[at]?.mode === 'resume') {
    throw invalid(
      'before',
      'must be another waiting prompt of the session, and not the one that continues a lost turn',
    );
  }
  const ordered = [...givenPrompts(state), ...others.slice(0, at), moved, ...others.slice(at)];
  builder.orderPrompts(ordered);
  builder.updateRecord({ updatedAt: now });
  return { step: builder.finish() satisfies Step, position: ordered.indexOf(moved) };
}

/** Drops all prompts that wait, and those that the CLI has dropped from its own queue. The running turn goes on. */
export function clearQueue(state: SessionState, withdrawn: readonly PromptId[], now: number) {
  const builder = new StepBuilder(state, now);
  const queued = queuedPrompts(state);
  for (const prompt of queued) dropPrompt(builder, prompt);
  for (const promptId of withdrawn) endWithdrawn(builder, promptId);
  settle(builder);
  return {
    step: builder.finish() satisfies Step,
    cancelled: [...queued.map(({ promptId }) => promptId), ...withdrawn],
  };
}

/** The CLI has dropped a steered prompt before it took it in. Nothing, when its own report of that came first. */
export function dropWithdrawn(state: SessionState, promptId: PromptId, now: number): Step {
  const builder = new StepBuilder(state, now);
  endWithdrawn(builder, promptId);
  settle(builder);
  return builder.finish();
}

function endWithdrawn(builder: StepBuilder, promptId: PromptId): void {
  const prompt = givenPrompts(builder.state).find((one) => one.promptId === promptId);
  if (prompt) completeTurn(builder, [prompt], INTERRUPTED);
}

/** A person lets a held queue go on. `waited`: the prompts in it. Throws `CAPACITY` while a budget holds it back. */
export function continueQueue(state: SessionState, now: number) {
  const builder = new StepBuilder(state, now);
  const waited = queuedPrompts(state).length;
  if (waited > 0) requireBudget(state, now);
  if (state.record.queueHeld) builder.clearRecord('queueHeld');
  settle(builder);
  return { step: builder.finish() satisfies Step, waited };
}
