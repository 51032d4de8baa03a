/** Rewinding: files and conversation return to their state before a prompt. All events stay in the record. */
import { CompanionError } from '../../../protocol/error-codes.js';
import type { Rewound } from '../../../protocol/events.js';
import { replaceChild, settle } from './dispatch.js';
import { givenPrompts, openPermissions, type SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';

/** The last message that stays in the conversation; undefined when the prompt is its first. */
export interface RewindPoint {
  before?: string;
}

/** Nothing is started from here until the rewind has ended. Throws `CONFLICT` unless the session is idle. */
export function beginRewind(state: SessionState): SessionState {
  if (isAtRest(state)) return { ...state, rewinding: true };
  throw new CompanionError('CONFLICT', 'Only an idle session can be rewound.', {
    field: 'sessionId',
    rule: 'must be a session that is open and in which no turn runs and nothing waits for an answer',
    suggestion: 'Interrupt the turn, or wait for its end.',
  });
}

const isAtRest = (state: SessionState): boolean =>
  !state.record.closed &&
  !state.rewinding &&
  !state.turn &&
  givenPrompts(state).length === 0 &&
  openPermissions(state).length === 0 &&
  (state.child.phase === 'none' || (state.child.phase === 'live' && state.child.ready));

function atRest(state: SessionState): SessionState {
  const { rewinding: _, ...others } = state;
  return others;
}

/** It has changed nothing: what waits goes on. */
export function cancelRewind(state: SessionState, now: number): Step {
  const builder = new StepBuilder(atRest(state), now);
  settle(builder);
  return builder.finish();
}

export interface DoneRewind {
  rewound: Rewound;
  /** Undefined: the conversation stays as it is. */
  point: RewindPoint | undefined;
}

/**
 * Files are restored. The next child branches off the conversation at the point, so the old one stays resumable as it
 * was.
 */
export function onRewound(state: SessionState, { rewound, point }: DoneRewind, now: number): Step {
  const builder = new StepBuilder(atRest(state), now);
  builder.updateRecord({ updatedAt: now });
  builder.event('rewound', rewound);
  if (point) {
    if (point.before === undefined) builder.clearRecord('claudeSessionId', 'fork', 'joining', 'resumeAt');
    else builder.updateRecord({ fork: true, resumeAt: point.before });
    replaceChild(builder);
  }
  settle(builder);
  return builder.finish();
}
