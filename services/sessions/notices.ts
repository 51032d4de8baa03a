/** What a person is told that is no answer of Claude's. */
import type { CliNotice } from '../ports/claude.js';
import type { Draft } from './draft.js';

/** A durable word. */
export function sayNotice(draft: Draft, notice: CliNotice): void {
  draft.event('notice', { sessionId: draft.state.record.sessionId, ...notice, timestamp: draft.timestamp });
}

/** So often at most is a person told of what goes on for long, in milliseconds. */
const NOISE_MS = 60_000;

/** A CLI that writes its log to stdout writes a hundred lines in a turn: they are gathered. `bytes`: of one line. */
export function addNoise(draft: Draft, bytes: number): void {
  const { noise, ticks } = draft.state;
  const { lines, bytes: before, since } = noise ?? { lines: 0, bytes: 0, since: ticks };
  draft.update({ noise: { lines: lines + 1, bytes: before + bytes, since } });
}

/** Says once what was gathered, when its turn is over, and each minute while it goes on. */
export function tellNoise(draft: Draft, { isOver }: { isOver: boolean }): void {
  const { noise, ticks, record } = draft.state;
  if (!noise || noise.lines === 0 || (!isOver && ticks - noise.since < NOISE_MS)) return;
  const { lines, bytes } = noise;
  const what = lines === 1 ? `a line of ${bytes} bytes that is` : `${lines} lines (${bytes} bytes) that are`;
  const message = `The Claude CLI wrote ${what} not its protocol.`;
  draft.update({ noise: { lines: 0, bytes: 0, since: ticks } });
  draft.frame({
    type: 'progress',
    data: { sessionId: record.sessionId, stage: 'warning', message, timestamp: draft.timestamp },
  });
}
