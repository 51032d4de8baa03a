import { endChild } from './dispatch.js';
import type { SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';

/**
 * The disk was full and the CLI continued: lines are missing, possibly including its `result`. The turn fails, and the
 * child is replaced, since its state is unknown.
 */
export function loseOutput(builder: StepBuilder): void {
  const { child, turn, record } = builder.state;
  if (child.phase !== 'live') return;
  builder.offLine();
  if (turn) builder.update({ turn: { ...turn, outputLost: true } });
  if (record.child) builder.updateRecord({ child: { ...record.child, outputLost: true } });
  builder.event('error', {
    sessionId: record.sessionId,
    code: 'STORAGE_FULL',
    message: 'The disk was full, and not all that Claude said could be kept: the turn is ended.',
  });
  endChild(builder, { restart: true });
}

/** While even that cannot be recorded, at least the connected clients are told. */
export function sayStorageFull(state: SessionState, now: number): Step {
  const builder = new StepBuilder(state, now);
  const message = 'The disk is full: nothing can be kept, so nothing goes on until there is room.';
  const { sessionId } = state.record;
  builder.frame({
    type: 'progress',
    data: { sessionId, stage: 'storage_full', message, timestamp: builder.timestamp },
  });
  return builder.finish();
}

/** A separate step: detected not by a line but by checking the disk. Output is lost only during a turn. */
export function onOutputLost(state: SessionState, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (state.turn) loseOutput(builder);
  return builder.finish();
}
