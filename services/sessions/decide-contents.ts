/** The handling of a prompt's text and attachments once they were read from the disk. */
import type { PromptId } from '../../protocol/scalars.js';
import type { PromptContents } from '../ports/records.js';
import { giveAgain, settle } from './dispatch.js';
import { givenPrompts, type SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';
import { completeTurn, endAnswer } from './turns.js';

/** Gives the prompt to the child, if it is still next. */
export function onContentsRead(
  state: SessionState,
  contents: ReadonlyMap<PromptId, PromptContents>,
  now: number,
): Step {
  const builder = new StepBuilder({ ...state, contents }, now);
  if (state.child.phase === 'live' && state.child.input === 'open') {
    giveAgain(
      builder,
      givenPrompts(state).filter(({ promptId }) => contents.has(promptId)),
    );
  }
  settle(builder);
  return builder.finish();
}

const LOST = {
  subtype: 'contents_lost',
  isError: true,
  finalResult: '',
  durationMs: 0,
  numTurns: 0,
};

/** The prompt can no longer be run; the next ones can. */
export function onContentsLost(state: SessionState, lost: readonly PromptId[], now: number): Step {
  const builder = new StepBuilder(state, now);
  const gone = state.prompts.filter(({ promptId }) => lost.includes(promptId));
  for (const prompt of gone) {
    builder.event('error', {
      sessionId: state.record.sessionId,
      code: 'NOT_FOUND',
      message: 'A prompt that waited cannot be run: what it was made of is gone from the disk. Send it again.',
    });
    completeTurn(builder, [prompt], LOST);
  }
  if (givenPrompts(state).length > 0 && givenPrompts(builder.state).length === 0) endAnswer(builder);
  settle(builder);
  return builder.finish();
}
