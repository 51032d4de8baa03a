/** Reactions to a child that is silent, or does not stop when interrupted. */
import { endChild } from './dispatch.js';
import { openPermissions, type SessionState } from './session-state.js';
import { type Step, StepBuilder } from './step-builder.js';
import type { Silence } from './turn-watch.js';

/** A child that does not react for this long is given up, in milliseconds. */
const GIVEN_UP_MS = 600_000;

/** A turn ran for a minute without output: followers are told what it is doing. */
export function onSilence(state: SessionState, silence: Silence, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (!state.turn || openPermissions(state).length > 0) return builder.finish();
  if (silence.deafMs !== undefined && silence.deafMs >= GIVEN_UP_MS) {
    replace(builder, `Claude has not reacted for ${duration(silence.deafMs)}: it is started again.`);
  } else {
    const { sessionId } = state.record;
    builder.frame({ type: 'progress', data: { sessionId, ...explain(state, silence), timestamp: builder.timestamp } });
  }
  return builder.finish();
}

function explain({ tools, turn, ticks }: SessionState, { silentMs, deafMs, isStreaming }: Silence) {
  const silent = duration(silentMs);
  if (deafMs !== undefined) {
    const message = `Claude has said nothing for ${silent} and does not react. An interrupt starts it again.`;
    return { stage: 'unresponsive', message };
  }
  const [tool] = [...tools.values()].sort((a, b) => a.since - b.since);
  if (tool) return { stage: 'tool', message: `still running ${tool.name}, ${duration(ticks - tool.since)}` };
  if (turn?.calling || isStreaming) return { stage: 'api', message: `still waiting for the API, ${silent}` };
  return {
    stage: 'silent',
    message: `Claude has said nothing for ${silent}. It can be interrupted.`,
  };
}

/** The child was interrupted but did not stop: it is ended, and another continues the conversation. */
export function onInterruptIgnored(state: SessionState, turnStartedAt: number, now: number): Step {
  const builder = new StepBuilder(state, now);
  if (state.turn?.interrupted && state.turn.startedAt === turnStartedAt)
    replace(builder, 'Claude did not react to the interrupt: it is started again.');
  return builder.finish();
}

function replace(builder: StepBuilder, message: string): void {
  const { child, record } = builder.state;
  if (child.phase !== 'live') return;
  builder.event('error', { sessionId: record.sessionId, code: 'TIMEOUT', message });
  endChild(builder, { restart: true, insist: true });
}

const MINUTE_MS = 60_000;

/** For a person: `45 s`, `3 min`, `2 h 5 min`. */
function duration(ms: number): string {
  // A check can come slightly before the full minute.
  const minutes = Math.round(ms / MINUTE_MS);
  if (minutes === 0) return `${Math.round(ms / 1000)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
