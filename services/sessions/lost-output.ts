import { endChild } from './dispatch.js';
import { Draft, type Step } from './draft.js';
import type { SessionState } from './session-state.js';

/**
 * The disk was full and the CLI did not stop for it: lines are missing, its `result` perhaps among them. The turn fails,
 * and the child is replaced, for nobody knows any more what it is at.
 */
export function loseOutput(draft: Draft): void {
  const { child, turn, record } = draft.state;
  if (child.phase !== 'live') return;
  draft.offLine();
  if (turn) draft.update({ turn: { ...turn, outputLost: true } });
  if (record.child) draft.updateRecord({ child: { ...record.child, outputLost: true } });
  draft.event('error', {
    sessionId: record.sessionId,
    code: 'STORAGE_FULL',
    message: 'The disk was full, and not all that Claude said could be kept: the turn is ended.',
  });
  endChild(draft, { restart: true });
}

/** While that cannot be written down either, whoever is connected is told at least. */
export function sayStorageFull(state: SessionState, now: number): Step {
  const draft = new Draft(state, now);
  const message = 'The disk is full: nothing can be kept, so nothing goes on until there is room.';
  const { sessionId } = state.record;
  draft.frame({ type: 'progress', data: { sessionId, stage: 'storage_full', message, timestamp: draft.timestamp } });
  return draft.finish();
}

/** As a step of its own: found not by a line but by looking at the disk. Only a turn can lose something. */
export function onOutputLost(state: SessionState, now: number): Step {
  const draft = new Draft(state, now);
  if (state.turn) loseOutput(draft);
  return draft.finish();
}
