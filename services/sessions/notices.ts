/** Messages to a person that are not from Claude. */
import type { CliNotice } from '../ports/claude.js';
import type { StepBuilder } from './step-builder.js';

/** Publishes a durable notice. */
export function sayNotice(builder: StepBuilder, notice: CliNotice): void {
  builder.event('notice', { sessionId: builder.state.record.sessionId, ...notice, timestamp: builder.timestamp });
}

/** Minimum interval between notices about an ongoing condition, in milliseconds. */
const NOISE_MS = 60_000;

/** Collects lines outside the protocol: a CLI that logs to stdout writes a hundred in a turn. `bytes`: of one line. */
export function addNoise(builder: StepBuilder, bytes: number): void {
  const { noise, ticks } = builder.state;
  const { lines, bytes: before, since } = noise ?? { lines: 0, bytes: 0, since: ticks };
  builder.update({ noise: { lines: lines + 1, bytes: before + bytes, since } });
}

/** Reports the collected lines once, at the end of the turn, and every minute while they continue. */
export function tellNoise(builder: StepBuilder, { isOver }: { isOver: boolean }): void {
  const { noise, ticks, record } = builder.state;
  if (!noise || noise.lines === 0 || (!isOver && ticks - noise.since < NOISE_MS)) return;
  const { lines, bytes } = noise;
  const what = lines === 1 ? `a line of ${bytes} bytes that is` : `${lines} lines (${bytes} bytes) that are`;
  const message = `The Claude CLI wrote ${what} not its protocol.`;
  builder.update({ noise: { lines: 0, bytes: 0, since: ticks } });
  builder.frame({
    type: 'progress',
    data: { sessionId: record.sessionId, stage: 'warning', message, timestamp: builder.timestamp },
  });
}
